"""Whether the fast way may be trusted with a model: one group is computed the slow way too."""

from __future__ import annotations

import torch
from torch import Tensor

from anomaly_methods.extractors.base import require_shape
from anomaly_methods.extractors.gradient_norms.reference import reference_squared_norms
from models.base import GenerativeModel

__all__ = ["disagreeing", "require_independent_images"]

_TOLERANCE = 1e-2  # wrong rows give errors of order one, rounding of single precision far smaller ones
_NOISE = 1e-8  # of the largest squared norm: gradients that are zero but for rounding


@torch.no_grad()
def require_independent_images(model: GenerativeModel, x: Tensor) -> None:
    """Refuse a model for which an image's log_prob depends on the others of the batch.

    Args:
        model: in evaluation mode.
        x: images (B, C, H, W); with fewer than two, nothing can be seen.

    Raises:
        ValueError: with both values; also where log_prob changes from call to call.
    """
    log_prob, alone = model.log_prob(x), model.log_prob(x[:1])
    require_shape(log_prob, (len(x),), "log_prob")
    require_shape(alone, (1,), "log_prob")
    if not torch.isclose(log_prob[:1], alone, rtol=1e-3, atol=1e-3, equal_nan=True):
        raise ValueError(
            f"{type(model).__name__} gives the first image of a batch log_prob {float(log_prob[0]):.6g}, but "
            f"{float(alone[0]):.6g} when it comes alone: it mixes images or is random, and has no "
            "gradient per image."
        )


def disagreeing(
    model: GenerativeModel, x: Tensor, group_size: int, found: dict[str, Tensor]
) -> dict[str, tuple[float, float]]:
    """Compare the first group of a batch with the reference.

    Args:
        model: in evaluation mode.
        x: images (B, C, H, W).
        group_size: of images.
        found: what the rules gave for the batch.

    Returns:
        {parameter name: (found, reference)} of those that differ by more than rounding could explain.
    """
    reference = reference_squared_norms(model, x[:group_size], group_size, found)
    pairs = {name: (float(found[name][0]), float(value[0])) for name, value in reference.items()}
    largest = max((value for _, value in pairs.values()), default=0.0)
    return {
        name: (value, expected)
        for name, (value, expected) in pairs.items()
        if abs(value - expected) > _TOLERANCE * expected + _NOISE * largest
    }
