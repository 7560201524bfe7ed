"""Gradient norms of the variants of Glow, in one pass, against one backward pass per group."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from anomaly_methods.extractors.gradient_norms.engine import covered_squared_norms
from invglow.flows import GlowConfig
from tests.anomaly_methods.extractors.gradient_models import images
from tests.anomaly_methods.extractors.gradient_norms.test_against_reference import assert_exact, glow

VARIANTS: dict[str, dict[str, Any]] = {
    "local": {"architecture": "local", "scales": 1, "patch_size": 4},
    "local additive shuffle": {
        "architecture": "local",
        "scales": 1,
        "patch_size": 4,
        "coupling": "additive",
        "mixing": "shuffle",
    },
    "dense": {"architecture": "dense", "mixing": "rotation"},
    "dense additive": {"architecture": "dense", "mixing": "rotation", "coupling": "additive"},
    "conditional": {"prior": "conditional", "keeps": "first"},
    "conditional additive": {"prior": "conditional", "coupling": "additive", "mixing": "plain"},
}


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("group_size", [1, 2])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_variants_are_covered_and_exact(name: str, group_size: int, dtype: torch.dtype) -> None:
    settings = {"scales": 2, "steps_per_scale": 2, "hidden_channels": 5, **VARIANTS[name]}
    model = glow(GlowConfig((3, 8, 8), **settings))
    x = images(4, (3, 8, 8))
    assert covered_squared_norms(model.double(), x.double(), group_size)[1] == {}
    assert_exact(model, x, group_size, dtype)
