"""A tiny model of every family, for each way that its log p can be evaluated."""

from __future__ import annotations

import importlib.util
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor

from models.base import GenerativeModel
from models.registry import family, prepare

__all__ = ["CASES", "SHAPE", "images", "model_of"]

SHAPE = (1, 8, 8)


class Case(NamedTuple):
    """A family, settings of a tiny model, and what its log p then is."""

    family: str
    settings: dict[str, Any]
    bound: str


GLOW = {"scales": 2, "steps_per_scale": 1, "hidden_channels": 4}
VAE = {"hidden_channels": 8, "latent_dimensions": 2, "samples": 3}
PIXELCNN = {"hidden_channels": 4, "mixtures": 2}
DIFFUSION = {"channels": [8, 8], "timesteps": 6, "timestep": 2, "terms": 3}
CASES = {
    "glow": Case("glow", GLOW, "exact"),
    "vae-elbo": Case("vae", VAE, "elbo"),
    "vae-gaussian": Case("vae", {**VAE, "likelihood": "gaussian"}, "elbo"),
    "vae-iwae": Case("vae", {**VAE, "importance_weighted": True}, "elbo"),
    "pixelcnn-plusplus": Case("pixelcnn", PIXELCNN, "exact"),
    "pixelcnn-plain": Case("pixelcnn", {**PIXELCNN, "architecture": "plain"}, "exact"),
    "diffusion-estimate": Case("diffusion", DIFFUSION, "elbo"),
    "diffusion-all-terms": Case("diffusion", {**DIFFUSION, "terms": 0, "noise_samples": 1}, "elbo"),
    "diffusion-timestep": Case("diffusion", {**DIFFUSION, "evaluation": "timestep"}, "surrogate"),
}


def images(dtype: torch.dtype = torch.float32, seed: int = 0) -> Tensor:
    return torch.rand(6, *SHAPE, generator=torch.Generator().manual_seed(seed)).to(dtype) - 0.5


def model_of(name: str) -> GenerativeModel:
    """Return the tiny model of a case in evaluation mode, or skip the test where a package is missing."""
    case = CASES[name]
    if case.family == "diffusion" and importlib.util.find_spec("diffusers") is None:
        pytest.skip("diffusion models need the extra 'diffusion'")
    torch.manual_seed(0)
    model = family(case.family).build({"image_shape": list(SHAPE), **case.settings})
    prepare(case.family, model, images())
    with torch.no_grad():  # no layer may be what it is fresh: zero, or the identity
        for parameter in model.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    return model.eval()
