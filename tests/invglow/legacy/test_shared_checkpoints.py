"""Checkpoints made by the papers' own code, with the log-probabilities that it gives for them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from invglow.data.preprocessing import dequantize
from invglow.flows import ClassConditionalFlow, MultiScaleFlow, build_glow
from invglow.legacy import read_published

FOLDER = Path(__file__).parents[4] / "shared" / "legacy"
PICKLED = ["glow_rgb", "glow_grey", "glow_additive", "glow_dense", "local_patches", "class_conditional"]
FOLDERS = ["y0ast_glow_affine_lu", "y0ast_glow_additive"]
RELATIVE = 1e-4

pytestmark = pytest.mark.skipif(
    not FOLDER.is_dir(), reason=f"{FOLDER} is not there: it is no part of the project"
)


def imported(name: str) -> tuple[MultiScaleFlow, Tensor, dict[str, NDArray[np.float32]]]:
    """Return the model, its images, and what the papers' code computes."""
    source = FOLDER / name if name in FOLDERS else FOLDER / f"{name}.th"
    expected = np.load(source / "expected.npz" if name in FOLDERS else FOLDER / f"{name}_expected.npz")
    found = read_published(source)
    flow = build_glow(found.config)
    flow.load_state_dict(dict(found.tensors))
    return flow, dequantize(torch.from_numpy(expected["images"]).permute(0, 3, 1, 2)), dict(expected)


@torch.no_grad()
@pytest.mark.parametrize("name", [*PICKLED, *FOLDERS])
def test_likelihoods_agree(name: str) -> None:
    flow, x, expected = imported(name)
    np.testing.assert_allclose(flow.log_prob(x).numpy(), expected["log_prob"], rtol=RELATIVE)
    if "scale_log_probs" in expected:
        shares = torch.stack([output.log_prob for output in flow(x)], dim=1)
        np.testing.assert_allclose(shares.numpy(), expected["scale_log_probs"], rtol=RELATIVE)


@torch.no_grad()
def test_likelihoods_of_classes_agree() -> None:
    flow, x, expected = imported("class_conditional")
    assert isinstance(flow, ClassConditionalFlow)
    found = flow.class_log_probs(x).numpy()
    np.testing.assert_allclose(found, expected["class_log_probs"], rtol=RELATIVE)
    given = found[np.arange(len(found)), expected["labels"]]
    np.testing.assert_allclose(given, expected["log_prob_given_label"], rtol=RELATIVE)


@torch.no_grad()
@pytest.mark.parametrize("name", [*PICKLED, *FOLDERS])
def test_images_come_back(name: str) -> None:
    flow, x, _ = imported(name)
    flow = flow.double()
    back = flow.inverse([output.latent for output in flow(x.double())])
    np.testing.assert_allclose(back.numpy(), x.numpy(), atol=1e-6)
