"""What an extractor is: a few numbers for each group of images under a model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor

from models.base import GenerativeModel

__all__ = ["Extractor", "require_shape"]


class Extractor(ABC):
    """Computes named statistics of groups of images.

    Attributes:
        name: the kind of its statistics.
        version: raised whenever the numbers change for the same model and images.
        unit: of the values.
        needs_gradients: whether it differentiates; otherwise it runs in inference mode.
        standard_errors: names of those values that are the standard error of another.

    Args:
        group_size: consecutive images that make one group, and one row.
    """

    name: ClassVar[str]
    version: ClassVar[int]
    unit: ClassVar[str] = "nats"
    needs_gradients: ClassVar[bool] = False
    standard_errors: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, group_size: int = 1) -> None:
        if group_size < 1:
            raise ValueError(f"The group size must be at least 1, got {group_size}.")
        self.group_size = group_size

    @abstractmethod
    def __call__(self, model: GenerativeModel, x: Tensor) -> dict[str, Tensor]:
        """Return {name: (B // group_size,)}, which for a group may not depend on the rest of the batch.

        Non-finite values are passed on as they are.

        Args:
            model: in evaluation mode, on the device of `x`.
            x: images (B, C, H, W) in [-1/2, 1/2), B a multiple of the group size.

        Raises:
            ValueError: the model's output has the wrong shape.
        """

    @property
    def settings(self) -> Mapping[str, Any]:
        """Everything else that changes the values, in JSON types; it becomes part of their identity."""
        return {}

    def details(self, model: GenerativeModel) -> Mapping[str, Any]:  # noqa: ARG002 - for those that need it
        """What there is to say about the values under this model, in JSON types."""
        return {}


def require_shape(found: object, expected: tuple[int, ...], name: str) -> None:
    """Refuse a model's output that is not one number (or row of numbers) per image.

    Raises:
        ValueError: with both shapes, or its type where it is no tensor.
    """
    if not isinstance(found, Tensor):
        raise ValueError(
            f"The model's {name} must be a tensor of shape {expected} for {expected[0]} images, but is of "
            f"type {type(found).__name__}: it must give each image its own value."
        )
    if tuple(found.shape) != expected:
        raise ValueError(
            f"The model's {name} must have shape {expected} for {expected[0]} images, "
            f"but has {tuple(found.shape)}: it must give each image its own value."
        )
