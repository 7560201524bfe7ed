"""What each tensor of a forward pass comes from: parameters alone, images, or neither."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

from torch import Tensor

__all__ = ["Kind", "Kinds", "tensors_in"]


_MARK = "_gradient_norms_kind"  # an attribute: dictionaries with weak keys take several times as long
_UNMARKED = (None, None)


class Kind(Enum):
    """What a tensor comes from.

    ROOT: parameters alone, and it requires a gradient. SAMPLE: images. CONSTANT: neither.
    """

    ROOT = 1
    SAMPLE = 2
    CONSTANT = 3


class Kinds:
    """The kind of every tensor, without keeping any of them alive.

    Where images meet parameters, the tracer cuts the parameters off, so that a tensor that requires a
    gradient and is not marked as a root can only come from images.

    Args:
        parameters: all parameters of the model.
    """

    def __init__(self, parameters: Iterable[Tensor]) -> None:
        self._parameters = {id(parameter) for parameter in parameters}

    def of(self, tensor: Tensor) -> Kind:
        """Return the kind."""
        if not tensor.requires_grad:
            return Kind.SAMPLE if self._mark(tensor) is Kind.SAMPLE else Kind.CONSTANT
        if id(tensor) in self._parameters:
            return Kind.ROOT
        return self._mark(tensor) or Kind.SAMPLE

    def is_root(self, tensor: Tensor) -> bool:
        """Whether it comes from parameters alone."""
        return self.of(tensor) is Kind.ROOT

    def mark(self, tensor: Tensor, kind: Kind) -> None:
        """Say what a new tensor comes from."""
        if tensor.requires_grad is (kind is Kind.ROOT):
            setattr(tensor, _MARK, (self, kind))
        elif hasattr(tensor, _MARK):
            delattr(tensor, _MARK)

    def _mark(self, tensor: Tensor) -> Kind | None:
        """Return the mark of this forward pass; a model may keep a tensor from an earlier one."""
        owner, kind = getattr(tensor, _MARK, _UNMARKED)
        return kind if owner is self else None


def tensors_in(values: Iterable[object]) -> list[Tensor]:
    """Return the tensors among the values and in lists, tuples and dictionaries among them."""
    found: list[Tensor] = []
    for value in values:
        if isinstance(value, Tensor):
            found.append(value)
        elif isinstance(value, list | tuple):
            found += tensors_in(value)
        elif isinstance(value, dict):
            found += tensors_in(value.values())
    return found
