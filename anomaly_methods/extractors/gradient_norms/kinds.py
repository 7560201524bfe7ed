"""What each tensor of a forward pass comes from: parameters alone, images, or neither."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import Enum

from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

__all__ = ["Kind", "Kinds", "tensors_in"]


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
        self._marks: WeakTensorKeyDictionary = WeakTensorKeyDictionary()
        for parameter in parameters:
            self._marks[parameter] = Kind.ROOT

    def of(self, tensor: Tensor) -> Kind:
        """Return the kind."""
        mark = self._marks.get(tensor)
        if mark is not None and (mark is not Kind.ROOT or tensor.requires_grad):
            return Kind(mark)
        return Kind.SAMPLE if tensor.requires_grad else Kind.CONSTANT

    def is_root(self, tensor: Tensor) -> bool:
        """Whether it comes from parameters alone."""
        return self.of(tensor) is Kind.ROOT

    def mark(self, tensor: Tensor, kind: Kind) -> None:
        """Say what a new tensor comes from."""
        if kind is Kind.SAMPLE and tensor.requires_grad:
            self._marks.pop(tensor, None)
        elif kind is not Kind.ROOT or tensor.requires_grad:
            self._marks[tensor] = kind


def tensors_in(values: Iterable[object]) -> Iterator[Tensor]:
    """Yield the tensors among the values and in lists, tuples and dictionaries among them."""
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from tensors_in(value)
        elif isinstance(value, dict):
            yield from tensors_in(value.values())
