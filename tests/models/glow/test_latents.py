"""Latents of every variant of Glow: there and back, in the unit of a standard normal where there is one."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from models.base import InvertibleModel
from models.glow import Glow
from tests.invglow.flows.examples import small_glow
from tests.properties import random_images

VARIANTS: dict[str, dict[str, Any]] = {
    "convolutional": {},
    "keeps first": {"keeps": "first"},
    "local": {"architecture": "local", "scales": 1, "patch_size": 4},
    "dense": {"architecture": "dense", "mixing": "rotation"},
    "conditional": {"prior": "conditional"},
    "classes": {"classes": 3},
}
STANDARDIZED = ("convolutional", "keeps first", "local", "dense")


@pytest.mark.parametrize("name", VARIANTS)
def test_there_and_back(name: str) -> None:
    model = Glow.from_flow(small_glow(**VARIANTS[name]))
    assert isinstance(model, InvertibleModel)
    x = random_images(4, 3, 8, 4)
    latents = model.latents(x)
    assert len(latents) == model.scales
    assert sum(latent[0].numel() for latent in latents) == x[0].numel()
    torch.testing.assert_close(model.invert(latents), x)


@pytest.mark.parametrize("name", VARIANTS)
def test_the_density_of_standardized_latents_is_a_standard_normal(name: str) -> None:
    """Up to the volume of the affine map, which is the same for all images."""
    model = Glow.from_flow(small_glow(**VARIANTS[name]))
    assert model.standardized == (name in STANDARDIZED)
    x = random_images(5, 3, 8, 4)
    _, log_prior = model.scale_terms(x)
    for scale, latent in enumerate(model.latents(x)):
        z = latent.flatten(1)
        standard = -z.square().sum(dim=1) / 2 - z.shape[1] * math.log(2 * math.pi) / 2
        rest = log_prior[:, scale] - standard
        assert torch.allclose(rest, rest[0].expand(5)) == model.standardized
