"""How runs build and initialise a Glow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from invglow.flows import ClassConditionalFlow, GlowConfig, initialize
from invglow.settings import settings_from
from models.base import GenerativeModel
from models.glow.adapter import Glow

__all__ = ["CONFIG", "EVALUATION_SETTINGS", "build", "condition", "prepare"]

CONFIG = GlowConfig
EVALUATION_SETTINGS: tuple[str, ...] = ()


def build(settings: Mapping[str, Any]) -> Glow:
    """Build a fresh Glow from the fields of `GlowConfig`, laid out in memory for speed."""
    return Glow.from_config(settings_from(GlowConfig, settings)).to(memory_format=torch.channels_last)


def prepare(model: GenerativeModel, images: Tensor) -> None:
    """Run the data-dependent initialisation on images (B, C, H, W) in [-1/2, 1/2)."""
    if not isinstance(model, Glow):
        raise TypeError(f"Expected a Glow, got {type(model).__name__}.")
    initialize(model.flow, images)


def condition(model: GenerativeModel, classes: int) -> Glow:
    """Return a copy of a model with a density for each class; all start with the one that it has."""
    if not isinstance(model, Glow):
        raise TypeError(f"Expected a Glow, got {type(model).__name__}.")
    flow = ClassConditionalFlow.from_flow(model.flow, classes)
    return Glow.from_flow(flow).to(memory_format=torch.channels_last)
