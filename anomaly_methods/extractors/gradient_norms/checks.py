"""Whether the fast way may be trusted with a model: one group is computed the slow way too."""

from __future__ import annotations

import torch
from torch import Tensor

from anomaly_methods.extractors.base import require_shape
from anomaly_methods.extractors.gradient_norms.engine import visit_gradients
from anomaly_methods.extractors.gradient_norms.fallback import say_once
from anomaly_methods.extractors.gradient_norms.per_group import squared_norms
from anomaly_methods.extractors.gradient_norms.reference import reference_gradients, reference_squared_norms
from models.base import GenerativeModel, said_of

__all__ = ["disagreeing", "require_independent_images", "tensors_to_leave_apart"]

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
    log_prob, alone = _log_prob(model, x), _log_prob(model, x[:1])
    if not torch.isclose(log_prob[:1], alone, rtol=1e-3, atol=1e-3, equal_nan=True):
        raise ValueError(
            f"{type(model).__name__} gives the first image of a batch log_prob {float(log_prob[0]):.6g}, but "
            f"{float(alone[0]):.6g} when it comes alone: it mixes images or is random, and has no "
            "gradient per image."
        )


def _log_prob(model: GenerativeModel, x: Tensor) -> Tensor:
    with said_of(model, "log_prob", x):
        found = model.log_prob(x)
    require_shape(found, (len(x),), "log_prob")
    return found


def disagreeing(
    model: GenerativeModel, x: Tensor, group_size: int, found: dict[str, Tensor]
) -> dict[str, tuple[float, float]]:
    """Compare the first group of a batch with the reference.

    Args:
        model: in evaluation mode.
        x: images (B, C, H, W).
        group_size: of images.
        found: what the rules gave for the batch, which may be nothing.

    Returns:
        {parameter name: (found, reference)} of those that differ by more than rounding could explain.
    """
    if not found:
        return {}
    reference = reference_squared_norms(model, x[:group_size], group_size, found)
    pairs = {name: (float(found[name][0]), float(value[0])) for name, value in reference.items()}
    largest = max((value for _, value in pairs.values()), default=0.0)
    return {
        name: (value, expected)
        for name, (value, expected) in pairs.items()
        if abs(value - expected) > _TOLERANCE * expected + _NOISE * largest
    }


def tensors_to_leave_apart(model: GenerativeModel, x: Tensor, group_size: int = 1) -> tuple[str, ...]:
    """Return the tensors whose gradients themselves the rules get wrong, by the first group of a batch.

    Args:
        model: in evaluation mode.
        x: images (B, C, H, W).
        group_size: of images.

    Raises:
        ValueError: an image's log_prob depends on the others, or is not one number.
    """
    require_independent_images(model, x)
    reference = reference_gradients(model, x[:group_size], group_size)
    errors = visit_gradients(model, x, lambda name, g: squared_norms(g - reference[name]), group_size)
    squares = {name: float(squared_norms(value)[0]) for name, value in reference.items()}
    largest = max(squares.values(), default=0.0)
    wrong = [
        name
        for name, square in squares.items()
        if float(errors[name][0]) > _TOLERANCE**2 * square + _NOISE * largest
    ]
    if wrong:
        say_once(
            f"{len(wrong)} tensors of {type(model).__name__} ({wrong[0]}, ...) are computed apart, since the "
            "rules do not fit them."
        )
    return tuple(wrong)
