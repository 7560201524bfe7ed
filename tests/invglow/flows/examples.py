"""Small flows that the tests of this folder share."""

from __future__ import annotations

from typing import Any

import torch

from invglow.flows import GlowConfig, MultiScaleFlow, build_glow
from invglow.flows.steps import COUPLINGS, MIXINGS
from tests.properties import randomize

__all__ = ["VARIANTS", "small_glow"]

VARIANTS = [(mixing, coupling) for mixing in MIXINGS for coupling in COUPLINGS]


def small_glow(
    *, seed: int = 0, dtype: torch.dtype = torch.float64, noise: float = 0.1, **settings: Any
) -> MultiScaleFlow:
    """Return a Glow with random weights: 2 scales of 2 steps on RGB images of 8x4, unless set otherwise."""
    sizes: dict[str, Any] = {
        "image_shape": (3, 8, 4),
        "scales": 2,
        "steps_per_scale": 2,
        "hidden_channels": 5,
    }
    torch.manual_seed(seed)
    flow = build_glow(GlowConfig(**{**sizes, **settings})).to(dtype)
    randomize(flow, seed, noise)
    return flow
