"""A device is chosen by name, and one that is not there is refused."""

from __future__ import annotations

import pytest
import torch

from invglow.training.device import resolve_device


def test_auto_is_a_gpu_where_there_is_one() -> None:
    assert resolve_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert resolve_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize("name", ["nonsense", "cuda:99", ""])
def test_a_device_that_is_not_there_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"Device '{name}' cannot be used here .*: use auto, cpu or cuda."):
        resolve_device(name)
