"""The gradient of each group of images for one tensor, in the forms that its norm is taken from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property

import torch
from torch import Tensor

__all__ = ["DenseGradient", "PerGroupGradient", "Stack", "squared_norms"]


_MANY = 256  # numbers of one gradient from which single precision saves time
_SAFE = 1e-15, 1e18  # norms between these have neither lost squares to underflow nor overflowed, in float32


def squared_norms(gradients: Tensor) -> Tensor:
    """Return the squared norm of every row of (groups, ...): (groups,), float64."""
    rows = gradients.reshape(len(gradients), -1)
    norms: Tensor
    if rows.shape[1] >= _MANY and rows.dtype is not torch.float64:
        norms = torch.linalg.vector_norm(rows, dim=1)
        lowest, highest = torch.aminmax(norms)
        if (lowest > _SAFE[0]) & (highest < _SAFE[1]):
            return norms.double().square()
    norms = torch.linalg.vector_norm(rows, dim=1, dtype=torch.float64)
    return norms.square()


class PerGroupGradient(ABC):
    """The gradient with respect to a tensor W of shape (N, ...), for every group.

    Subclasses that know a cheaper way than to form it override the two norms.
    """

    @abstractmethod
    def full(self) -> Tensor:
        """Return the gradient itself, (groups, *W.shape)."""

    def squared_norm(self, scale: Tensor | None = None) -> Tensor:
        """Return the squared norm of each group, with row n times `scale[n]` (N,): (groups,), float64."""
        gradient = self.full().flatten(2)
        rows = gradient.double().square().sum(dim=2)
        return (rows if scale is None else rows * scale.double().square()).sum(dim=1)

    def row_products(self, weight: Tensor) -> Tensor:
        """Return the inner product of each row of `weight` (N, ...) and of the gradient: (groups, N).

        This comes last: the gradient may be used up.
        """
        return (self.full() * weight).flatten(2).sum(dim=2)


class DenseGradient(PerGroupGradient):
    """A gradient (groups, *W.shape) that is there already."""

    def __init__(self, gradient: Tensor) -> None:
        self._gradient = gradient

    def full(self) -> Tensor:
        return self._gradient

    def squared_norm(self, scale: Tensor | None = None) -> Tensor:
        if scale is not None:
            return super().squared_norm(scale)
        return squared_norms(self._gradient)


class Stack:
    """The gradients of several tensors of one shape, whose norms are taken together.

    Args:
        gradients: (tensors, groups, *shape).
    """

    def __init__(self, gradients: Tensor) -> None:
        self.gradients = gradients

    @cached_property
    def squared_norms(self) -> Tensor:
        """The squared norms, (tensors, groups)."""
        return squared_norms(self.gradients.flatten(0, 1)).reshape(self.gradients.shape[:2])

    def gradient(self, place: int) -> PerGroupGradient:
        """Return the gradient of one of the tensors."""
        return _OfStack(self, place)


class _OfStack(PerGroupGradient):
    def __init__(self, stack: Stack, place: int) -> None:
        self._stack = stack
        self._place = place

    def full(self) -> Tensor:
        return self._stack.gradients[self._place]

    def squared_norm(self, scale: Tensor | None = None) -> Tensor:
        return self._stack.squared_norms[self._place] if scale is None else super().squared_norm(scale)
