"""The gradients that no rule covers: from torch.func where the model allows it, or group by group."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import lru_cache

from torch import Tensor

from anomaly_methods.extractors.gradient_norms.reference import reference_squared_norms
from anomaly_methods.extractors.gradient_norms.vmapped import vmapped_squared_norms
from models.base import GenerativeModel

__all__ = ["fallback_squared_norms", "say_once"]

logger = logging.getLogger(__name__)


def fallback_squared_norms(
    model: GenerativeModel, x: Tensor, group_size: int, names: Sequence[str]
) -> dict[str, Tensor]:
    """Compute `squared_gradient_norms` of some parameters in a pass of their own.

    Args:
        model: in evaluation mode.
        x: images (B, C, H, W).
        group_size: of images.
        names: of the parameters.
    """
    try:
        return vmapped_squared_norms(model, x, group_size, names)
    except (RuntimeError, NotImplementedError, TypeError, ValueError) as error:
        say_once(
            f"torch.func cannot differentiate {type(model).__name__} ({str(error).splitlines()[0]}): "
            "these tensors take one backward pass per group."
        )
    return reference_squared_norms(model, x, group_size, names)


@lru_cache(maxsize=256)
def say_once(sentence: str) -> None:
    """Log a warning, unless it was logged before."""
    logger.warning(sentence)
