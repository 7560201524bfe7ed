"""What each tensor of a forward pass comes from: parameters alone, images, or neither."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum

from torch import Tensor

__all__ = ["Kind", "Kinds", "tensors_in"]


_MARK = "_gradient_norms_kind"  # an attribute: dictionaries with weak keys take several times as long


class Kind(Enum):
    """What a tensor comes from.

    ROOT: parameters alone, and it requires a gradient. SAMPLE: images. CONSTANT: neither.
    """

    ROOT = 1
    SAMPLE = 2
    CONSTANT = 3


class Kinds:
    """The kind of every tensor of one forward pass; a model may keep a tensor from an earlier one.

    Where images meet parameters, the tracer cuts the parameters off, so that a tensor that requires a
    gradient and is not known as a root can only come from images. Roots are kept alive, for their autograd
    graphs are needed later; images are not.

    Args:
        parameters: all parameters of the model.
        roots: other tensors that come from them alone, by their ids.
    """

    def __init__(self, parameters: Iterable[Tensor], roots: Mapping[int, Tensor]) -> None:
        self._roots = {**roots, **{id(parameter): parameter for parameter in parameters}}
        self._mark = object()

    def of(self, tensor: Tensor) -> Kind:
        """Return the kind."""
        if tensor.requires_grad:
            return Kind.ROOT if id(tensor) in self._roots else Kind.SAMPLE
        return Kind.SAMPLE if getattr(tensor, _MARK, None) is self._mark else Kind.CONSTANT

    def is_root(self, tensor: Tensor) -> bool:
        """Whether it comes from parameters alone."""
        return tensor.requires_grad and id(tensor) in self._roots

    def among(self, values: Iterable[object]) -> tuple[bool, bool]:
        """Return whether there are roots and whether there are images among the values, however nested."""
        has_roots = has_images = False
        roots = self._roots
        for value in values:
            if isinstance(value, Tensor):
                if value.requires_grad:
                    if id(value) in roots:
                        has_roots = True
                    else:
                        has_images = True
                elif getattr(value, _MARK, None) is self._mark:
                    has_images = True
            elif isinstance(value, list | tuple | dict):
                within = self.among(value.values() if isinstance(value, dict) else value)
                has_roots, has_images = has_roots or within[0], has_images or within[1]
        return has_roots, has_images

    def mark_roots(self, result: object) -> None:
        """Say that a new tensor, or tensors, come from parameters alone."""
        if isinstance(result, Tensor):
            if result.requires_grad:
                self._roots[id(result)] = result
        else:
            for tensor in tensors_in((result,)):
                self.mark_roots(tensor)

    def mark_images(self, result: object) -> None:
        """Say that a new tensor, or tensors, come from images."""
        if isinstance(result, Tensor):
            if not result.requires_grad:
                setattr(result, _MARK, self._mark)
        else:
            for tensor in tensors_in((result,)):
                self.mark_images(tensor)


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
