"""Tensors are put into a model that has just these, or refused by name."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from invglow.reading import load_tensors


def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))


def test_tensors_that_fit_are_taken() -> None:
    source, target = model(), model()
    nn.init.ones_(next(source.parameters()))
    load_tensors(target, source.state_dict())
    torch.testing.assert_close(target.state_dict(), source.state_dict())


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"0.weight": None}, r"^0\.weight is missing in the file, but the model takes shape \[2, 3\]\.$"),
        (
            {"extra": torch.zeros(4)},
            r"^extra has shape \[4\] in the file, but the model has no such tensor\.$",
        ),
        (
            {"0.bias": torch.zeros(3)},
            r"^0\.bias has shape \[3\] in the file, but the model takes shape \[2\]\.$",
        ),
        ({"0.weight": None, "0.bias": None, "x": torch.zeros(1)}, r"\(and 2 more tensors do not fit\)\.$"),
    ],
)
def test_tensors_that_do_not_fit_are_refused_and_nothing_changes(
    changes: dict[str, Tensor | None], sentence: str
) -> None:
    target = model()
    before = {name: tensor.clone() for name, tensor in target.state_dict().items()}
    tensors = {name: tensor + 1 for name, tensor in before.items()} | changes
    with pytest.raises(ValueError, match=sentence):
        load_tensors(target, {name: tensor for name, tensor in tensors.items() if tensor is not None})
    torch.testing.assert_close(target.state_dict(), before, rtol=0, atol=0)
