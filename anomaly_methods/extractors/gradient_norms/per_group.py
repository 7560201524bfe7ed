"""The gradient of each group of images for one tensor, in the forms that its norm is taken from."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor

__all__ = ["DenseGradient", "PerGroupGradient", "squared_norms"]


def squared_norms(gradients: Tensor) -> Tensor:
    """Return the squared norm of every row of (groups, ...): (groups,), float64."""
    return gradients.reshape(len(gradients), -1).double().square().sum(dim=1)


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
