"""Small files that would take hours, or all memory, are refused in a sentence within two seconds."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from invglow.legacy import limits, read_published
from tests.invglow.legacy.bombs import BOMBS
from tests.invglow.legacy.examples import model, save
from tests.invglow.legacy.hostile import old_file, zip_file
from tests.invglow.legacy.pickled import save_model

FORMATS = {"zip": zip_file, "old": old_file}


@contextmanager
def refused(words: str = "") -> Iterator[None]:
    began = time.process_time()
    with pytest.raises(ValueError, match=words) as caught:
        yield
    assert time.process_time() - began < 2
    assert len(str(caught.value)) < 1000
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("name", BOMBS)
def test_they_are_refused_at_once(tmp_path: Path, form: str, name: str) -> None:
    assert len(BOMBS[name]) < 1_000_000
    with refused(r"asks for .*nothing was executed|is no published model|KeyError: 139"):
        read_published(FORMATS[form](tmp_path / "a.th", BOMBS[name]))


def test_a_pickle_of_too_many_codes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MOST_READS", 1000)
    with refused("asks for more than 1000 parts"):
        read_published(zip_file(tmp_path / "a.th", b"\x80\x02N" + b"N0" * 1000 + b"."))


def settings(folder: Path, **changes: int) -> Path:
    known = {
        "K": 1,
        "L": 1,
        "hidden_channels": 4,
        "LU_decomposed": False,
        "learn_top": False,
        "y_condition": False,
    }
    text = json.dumps({**known, "flow_permutation": "invconv", "flow_coupling": "affine", **changes})
    (folder / "hparams.json").write_text(text)
    return folder / "a.pt"


@pytest.mark.parametrize(("steps", "scales"), [(1, 3000), (3000, 1), (40, 40)])
def test_settings_of_more_than_the_file_holds_are_refused(tmp_path: Path, steps: int, scales: int) -> None:
    path = settings(tmp_path, K=steps, L=scales)
    tensor = torch.zeros(12)
    names = {f"{i:x}": tensor for i in range(10_000)}
    first = {"flow.layers.1.actnorm.bias": tensor, "prior_h": torch.zeros(1, 2, 1, 1)}
    torch.save(names | first, path)
    with refused(rf"has {scales} scales of {steps} steps|lacks the tensor flow"):
        read_published(path)


def test_unexpected_tensors_of_long_names_are_named_in_part(tmp_path: Path) -> None:
    path = settings(tmp_path)
    names = {f"{i}{'a' * 50_000}": torch.zeros(4) for i in range(10)}
    torch.save(
        {"flow.layers.1.actnorm.bias": torch.zeros(4), "prior_h": torch.zeros(1, 2, 1, 1)} | names, path
    )
    with refused("holds the unexpected tensor 0aaa"):
        read_published(path)


def test_tensors_that_lie_over_each_other_are_refused(tmp_path: Path) -> None:
    """Each lies at the end of one storage of 8 MB, all of which has to be read to come there."""
    path = save(tmp_path, "folder") / "glow_checkpoint_10.pt"
    state = torch.load(path, weights_only=True)
    weights = state.get("model", state)
    shared = torch.zeros(2_000_000)
    for name, tensor in weights.items():
        weights[name] = shared[-tensor.numel() :].view(tensor.shape)
    torch.save(state, path)
    with refused(r"asks for more than \d+ times the numbers that it holds"):
        read_published(path)


def test_masks_that_the_file_does_not_hold_take_no_memory(tmp_path: Path) -> None:
    """An ActNorm of 200,000 channels is a file of 1.6 MB; a mask for them would have 160 GB."""

    def widen(tree: Any) -> None:
        for module in tree.modules():
            if type(module).__name__ == "ActNorm" and module.loc.numel() == 12:
                module.loc.data, module.log_scale.data = torch.zeros(2, 1, 200_000, 1, 1).unbind()

    path = save_model(tmp_path / "a.th", *model("affine"), change=widen)
    with refused(r"w_p has shape \(12, 12\), expected was \(200000, 200000\)"):
        read_published(path)
