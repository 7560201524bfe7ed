"""Whether a model is the same function in training mode, where layers may look at the batch or at chance."""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from anomaly_methods.extractors.gradient_norms.engine import squared_gradient_norms
from models.base import GenerativeModel

__all__ = ["require_same_in_training_mode"]


def require_same_in_training_mode(model: GenerativeModel, x: Tensor) -> None:
    """Refuse a model whose log p(x) in training mode is another one than in evaluation mode.

    Where it is the same, so are all statistics, which are always computed in evaluation mode. The model
    itself, its mode and its running averages stay as they are.

    Args:
        model: anything.
        x: images (B, C, H, W) in [-1/2, 1/2), on its device.

    Raises:
        ValueError: it normalizes by statistics of the batch, drops units at random, or differs otherwise.
    """
    twin = copy.deepcopy(model)
    with torch.no_grad():
        expected = twin.eval().log_prob(x)
    squared_gradient_norms(twin.train(), x)  # refuses batch statistics and says why
    with torch.no_grad():
        found = twin.log_prob(x)
    if not torch.allclose(found, expected, rtol=1e-4, atol=1e-3, equal_nan=True):
        raise ValueError(
            f"{type(model).__name__} gives the first image log_prob {float(found[0]):.6g} in training mode "
            f"and {float(expected[0]):.6g} in evaluation mode (as dropout does): statistics are computed in "
            "evaluation mode, so ask for that."
        )
