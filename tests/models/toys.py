"""Tiny runs that train in a second."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from invglow.flows import GlowConfig
from invglow.training import TrainingConfig
from models.runs import Origin, RunPlan, train_run
from tests.invglow.training.toys import make_images

__all__ = ["CPU", "make_plan", "train"]

CPU = torch.device("cpu")
TINY: dict[str, Any] = {"image_shape": [1, 8, 8], "scales": 2, "steps_per_scale": 1, "hidden_channels": 4}


def make_plan(run: Path, origin: Origin | None = None, **changes: Any) -> RunPlan:
    """Return a plan of 3 steps of 5 images, with fields of `RunPlan` or of its training changed."""
    images = changes.pop("images", make_images(size=8))
    model = changes.pop("model", {"family": "glow", "settings": GlowConfig(**TINY).to_json()})
    settings = {"steps": 3, "batch_size": 5, "initialization_images": 10, **changes}
    return RunPlan(run, images, TrainingConfig(**settings), None if origin else model, origin)


def train(run: Path, origin: Origin | None = None, **changes: Any) -> Path:
    """Train the plan and return the folder of the run."""
    train_run(make_plan(run, origin, **changes), CPU)
    return run
