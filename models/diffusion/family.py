"""How runs build a diffusion model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from invglow.settings import settings_from
from models.diffusion.config import DiffusionConfig
from models.diffusion.model import Diffusion

__all__ = ["CONFIG", "EVALUATION_SETTINGS", "build"]

CONFIG = DiffusionConfig
EVALUATION_SETTINGS = ("evaluation", "terms", "timestep", "noise_samples", "noise_seed")


def build(settings: Mapping[str, Any]) -> Diffusion:
    """Build a fresh diffusion model from the fields of `DiffusionConfig`."""
    return Diffusion(settings_from(DiffusionConfig, settings))
