"""Numbers of a checkpoint that are NaN or infinite, or become so, are refused with their tensors' names."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from invglow.legacy import read_published
from tests.invglow.legacy.examples import FOLDERS, MODELS, model, save
from tests.invglow.legacy.pickled import save_model

FIRST = "scales.0.steps.1.actnorm.loc"


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", [*MODELS, *FOLDERS])
def test_a_tensor_is_named_as_in_the_file(tmp_path: Path, name: str, value: float) -> None:
    path = save(tmp_path, name, values={FIRST: value}, as_zip=not math.isnan(value))
    named = r"flow\.layers\.2\.actnorm\.bias" if name in FOLDERS else r"[\w.]+\.module[\w.]+\.loc"
    named = r"model[\w.]+\.loc" if name == "local" else named
    with pytest.raises(ValueError, match=rf"NaN or infinite values in 1 of its tensors \({named}\), with"):
        read_published(path)


@pytest.mark.parametrize("name", ["affine", "folder"])
def test_of_many_tensors_three_are_named(tmp_path: Path, name: str) -> None:
    tensors = [tensor for tensor in model(name)[0].state_dict() if tensor.endswith(("loc", "log_scale"))]
    path = save(tmp_path, name, values=dict.fromkeys(tensors, math.nan))
    with pytest.raises(ValueError, match=r"in \d+ of its tensors \([^,]+, [^,]+, [^,]+ and \d+ more\), with"):
        read_published(path)


@pytest.mark.parametrize(
    "tensor",
    [
        *("mixing.permutation", "mixing.sign", "mixing.lower", "mixing.log_diagonal"),
        *("coupling.network.conv_mid.weight", "coupling.network.log_scale"),
    ],
)
def test_that_comes_before_what_a_layer_should_be(tmp_path: Path, tensor: str) -> None:
    path = save(tmp_path, "affine", values={f"scales.0.steps.0.{tensor}": math.nan})
    with pytest.raises(ValueError, match="NaN or infinite values in 1 of its tensors"):
        read_published(path)


def test_a_rotation_of_nan_is_no_rotation_but_damage(tmp_path: Path) -> None:
    path = save(tmp_path, "dense", values={"scales.0.steps.0.mixing.weight": math.nan})
    with pytest.raises(ValueError, match=r"NaN or infinite values in 1 of its tensors \([\w.]+\.weight\)"):
        read_published(path)


def test_finite_numbers_that_make_an_infinite_one_are_named(tmp_path: Path) -> None:
    """The mean of the latent is divided by a scale of exp(-200)."""

    def narrow(tree: Any) -> None:
        tree.prev[0].prev[0].module.sequential[1].log_scale.fill_(-200.0)

    path = save_model(tmp_path / "a.th", *model("one scale"), change=narrow)
    with pytest.raises(
        ValueError, match=r"NaN or infinite values in 1 of its tensors \(scales\.0\.prior\.loc\)"
    ):
        read_published(path)
