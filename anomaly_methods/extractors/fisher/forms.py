"""Quadratic forms of gradients, without the matrix that they belong to."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["DiagonalForm", "KroneckerForm", "QuadraticForm"]


class QuadraticForm(ABC):
    """A function `g -> g^T M g` of a tensor's gradient, M symmetric and positive definite."""

    @abstractmethod
    def __call__(self, gradients: Tensor) -> Tensor:
        """Return its values for gradients (groups, *shape): (groups,), float64."""

    @abstractmethod
    def to(self, device: torch.device, dtype: torch.dtype) -> QuadraticForm:
        """Return the same form for gradients on a device and of a dtype."""


class DiagonalForm(QuadraticForm):
    """M diagonal.

    Args:
        weights: the diagonal of M, of the tensor's shape.
    """

    def __init__(self, weights: Tensor) -> None:
        self._weights = weights

    def __call__(self, gradients: Tensor) -> Tensor:
        return gradients.reshape(len(gradients), -1).double().square() @ self._weights.double().flatten()

    def to(self, device: torch.device, dtype: torch.dtype) -> DiagonalForm:
        return DiagonalForm(self._weights.to(device, dtype))


class KroneckerForm(QuadraticForm):
    """M = (U_1 (x) ... (x) U_m) diag(weights) (U_1 (x) ... (x) U_m)^T.

    One side after the other is turned by U_k^T, at numel * d_k products each; squares are then weighed.

    Args:
        bases: orthogonal U_k, (d_k, d_k).
        weights: (d_1, ..., d_m).
    """

    def __init__(self, bases: Sequence[Tensor], weights: Tensor) -> None:
        self._bases = list(bases)
        self._weights = weights

    def __call__(self, gradients: Tensor) -> Tensor:
        turned = gradients.reshape(len(gradients), *self._weights.shape)
        for basis in self._bases:  # contracts the first side and puts it last, so that all come round
            turned = torch.tensordot(turned, basis, dims=([1], [0]))
        return turned.flatten(1).double().square() @ self._weights.double().flatten()

    def to(self, device: torch.device, dtype: torch.dtype) -> KroneckerForm:
        bases = [basis.to(device, dtype) for basis in self._bases]
        return KroneckerForm(bases, self._weights.to(device, dtype))
