"""Models of every published kind, at a tiny size."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from invglow.flows import GlowConfig, MultiScaleFlow, build_glow
from tests.invglow.legacy.folders import save_folder
from tests.invglow.legacy.pickled import save_model
from tests.properties import randomize

__all__ = ["FOLDERS", "MODELS", "model", "save"]

MODELS: dict[str, dict[str, Any]] = {
    "affine": {},
    "plain grey": {"mixing": "plain", "image_shape": (1, 8, 8)},
    "additive shuffle": {"mixing": "shuffle", "coupling": "additive"},
    "one scale": {"scales": 1},
    "dense": {"architecture": "dense", "mixing": "rotation"},
    "dense, not square": {"architecture": "dense", "mixing": "rotation", "image_shape": (3, 8, 4)},
    "local": {"architecture": "local", "patch_size": 4, "scales": 1},
    "classes": {"classes": 3},
    "dense classes": {"classes": 2, "architecture": "dense", "mixing": "rotation", "coupling": "additive"},
}
CONDITIONAL = {"prior": "conditional", "keeps": "first"}
FOLDERS: dict[str, dict[str, Any]] = {
    "folder": CONDITIONAL,
    "folder plain additive": {**CONDITIONAL, "mixing": "plain", "coupling": "additive"},
    "folder, not square": {**CONDITIONAL, "image_shape": (1, 8, 4)},
}


def model(name: str, seed: int = 0) -> tuple[MultiScaleFlow, GlowConfig]:
    """Return a model with random weights, in single precision."""
    sizes = {"image_shape": (3, 8, 8), "scales": 2, "steps_per_scale": 2, "hidden_channels": 6}
    config = GlowConfig(**{**sizes, **MODELS.get(name, FOLDERS.get(name, {}))})
    torch.manual_seed(seed)
    flow = build_glow(config)
    randomize(flow, seed, 0.1)
    return flow, config


def save(folder: Path, name: str, *, as_zip: bool = True, values: Mapping[str, float] | None = None) -> Path:
    """Write the model of this name as it would have been published; return the file or folder.

    Args:
        folder: to write into.
        name: of the model.
        as_zip: in torch's format of today, or else in that of 2020.
        values: for the last number of tensors, by their names in the flow.
    """
    flow, config = model(name)
    for tensor, value in (values or {}).items():
        flow.state_dict()[tensor].view(-1)[-1] = value
    if name in FOLDERS:
        return save_folder(folder / "published", flow, config, as_zip=as_zip, learn_top="plain" not in name)
    return save_model(folder / "published.th", flow, config, as_zip=as_zip)
