"""The gradients that no rule covers: from torch.func where the model allows it, or group by group."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

from anomaly_methods.extractors.gradient_norms.measures import Measure
from anomaly_methods.extractors.gradient_norms.per_group import DenseGradient
from anomaly_methods.extractors.gradient_norms.reference import reference_gradients
from anomaly_methods.extractors.gradient_norms.vmapped import pieces_of, vmapped_gradients
from models.base import GenerativeModel

__all__ = ["fallback_measured", "say_once"]

logger = logging.getLogger(__name__)


def fallback_measured(
    model: GenerativeModel, x: Tensor, group_size: int, names: Sequence[str], measure: Measure
) -> dict[str, Tensor]:
    """Measure the gradients of some parameters in passes of their own, over as many groups as fit in memory.

    Args:
        model: in evaluation mode.
        x: images (B, C, H, W).
        group_size: of images.
        names: of the parameters.
        measure: what to take of the gradients.
    """
    pieces = pieces_of(model, x, group_size, names)
    found = [_measured_at_once(model, piece, group_size, names, measure) for piece in pieces]
    return {name: torch.cat([part[name] for part in found]) for name in names}


def _measured_at_once(
    model: GenerativeModel, x: Tensor, group_size: int, names: Sequence[str], measure: Measure
) -> dict[str, Tensor]:
    gradients = _gradients(model, x, group_size, names)
    return {name: measure(name, DenseGradient(gradients.pop(name)), None) for name in names}


def _gradients(model: GenerativeModel, x: Tensor, group_size: int, names: Sequence[str]) -> dict[str, Tensor]:
    try:
        return vmapped_gradients(model, x, group_size, names)
    except (RuntimeError, NotImplementedError, TypeError, ValueError) as error:
        say_once(
            f"torch.func cannot differentiate {type(model).__name__} ({_first_line(error)}): "
            "these tensors take one backward pass per group."
        )
    return reference_gradients(model, x, group_size, names)


def _first_line(error: Exception) -> str:
    """Return the first line of what an error says, or its type where it says nothing."""
    return next(iter(str(error).splitlines()), type(error).__name__)


@lru_cache(maxsize=256)
def say_once(sentence: str) -> None:
    """Log a warning, unless it was logged before."""
    logger.warning(sentence)
