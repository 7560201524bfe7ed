"""How runs build a PixelCNN."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from invglow.settings import settings_from
from models.pixelcnn.config import PixelCNNConfig
from models.pixelcnn.model import PixelCNN

__all__ = ["CONFIG", "EVALUATION_SETTINGS", "build"]

CONFIG = PixelCNNConfig
EVALUATION_SETTINGS: tuple[str, ...] = ()


def build(settings: Mapping[str, Any]) -> PixelCNN:
    """Build a fresh PixelCNN from the fields of `PixelCNNConfig`."""
    return PixelCNN(settings_from(PixelCNNConfig, settings))
