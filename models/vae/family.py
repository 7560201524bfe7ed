"""How runs build a VAE."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from invglow.settings import settings_from
from models.vae.config import VAEConfig
from models.vae.model import VAE

__all__ = ["CONFIG", "EVALUATION_SETTINGS", "build"]

CONFIG = VAEConfig
EVALUATION_SETTINGS = ("samples", "importance_weighted", "noise_seed")


def build(settings: Mapping[str, Any]) -> VAE:
    """Build a fresh VAE from the fields of `VAEConfig`."""
    return VAE(settings_from(VAEConfig, settings))
