"""Gradients that are sums of outer products over positions: those of all convolutions and linear layers."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from anomaly_methods.extractors.gradient_norms.per_group import PerGroupGradient, squared_norms
from anomaly_methods.extractors.gradient_norms.products import (
    gram_is_cheaper,
    squared_norm_by_gram,
    sum_of_outer_products,
)
from anomaly_methods.extractors.gradient_norms.windows import Rows

__all__ = ["Layout", "OuterSum"]


@dataclass(frozen=True)
class Layout:
    """How a weight (N, C, *kernel) is written as the matrix that a sum of outer products gives.

    Either (N, kernel * C), or, where the windows were taken of the other side, (kernel * N, C) with the
    kernel turned round.

    Args:
        shape: of the weight.
        windows_on_rows: the second of the two.
    """

    shape: tuple[int, ...]
    windows_on_rows: bool = False

    def to_matrix(self, weight: Tensor) -> Tensor:
        """Write a weight as a matrix."""
        taps = weight.reshape(*weight.shape[:2], -1)
        if self.windows_on_rows:
            return taps.flip(2).permute(2, 0, 1).flatten(0, 1)
        return taps.transpose(1, 2).flatten(1)

    def from_matrix(self, matrices: Tensor) -> Tensor:
        """Undo `to_matrix` for a batch of matrices (groups, rows, columns)."""
        groups, (outputs, inputs, *kernel) = len(matrices), self.shape
        if self.windows_on_rows:
            taps = matrices.reshape(groups, -1, outputs, inputs).flip(1).permute(0, 2, 3, 1)
        else:
            taps = matrices.reshape(groups, outputs, -1, inputs).transpose(2, 3)
        weights: Tensor = taps.reshape(groups, outputs, inputs, *kernel)
        return weights

    def rows(self, per_output: Tensor | None) -> Tensor | None:
        """Repeat one number per output (N,) for all rows of the matrix that belong to it."""
        if per_output is None or not self.windows_on_rows:
            return per_output
        return per_output.repeat(math.prod(self.shape[2:]))

    def by_output(self, values: Tensor) -> Tensor:
        """Write (..., rows) as (..., N), or as (..., taps, N) where each output has several rows."""
        return values.unflatten(-1, (-1, self.shape[0])) if self.windows_on_rows else values


class OuterSum(PerGroupGradient):
    """The gradient `G = sum over positions p of left[p] (x) right[p]`, for each group.

    Either G is formed, at P N K products and a matrix per group, or its squared norm is taken from two Gram
    matrices, `|G|^2 = sum over p, q of <left[p], left[q]> <right[p], right[q]>`, at P^2 (N + K) products: the
    cheaper where positions are few.

    Args:
        left: P positions of width N, or kernel * N; its scratch holds G while it is measured.
        right: as many of width kernel * C, or C.
        layout: of the weight.
        row_products: inner products of the rows of the weight and of its gradient, (groups, N), where they
            are known without G; otherwise row products are taken from G.

    References:
        Efficient Per-Example Gradient Computations (Goodfellow, 2015); Fast and memory-efficient per-sample
        gradients with mixed ghost clipping (Bu et al., 2022), for the choice between the two.
    """

    def __init__(
        self,
        left: Rows,
        right: Rows,
        layout: Layout,
        row_products: Callable[[Tensor], Tensor | None] | None = None,
    ) -> None:
        self._left = left
        self._right = right
        self._layout = layout
        self._known_row_products = row_products
        self._formed: Tensor | None = None

    def full(self) -> Tensor:
        return self._layout.from_matrix(sum_of_outer_products(self._left, self._right))

    def squared_norm(self, scale: Tensor | None = None) -> Tensor:
        if self._formed is None and gram_is_cheaper(self._left, self._right):
            return squared_norm_by_gram(self._left._replace(factors=scale), self._right)
        norms, factors = torch.linalg.vector_norm(self._matrix(), dim=2), self._layout.rows(scale)
        return squared_norms(norms if factors is None else norms * factors)

    def row_products(self, weight: Tensor) -> Tensor:
        if self._formed is None and self._known_row_products is not None:
            products = self._known_row_products(weight)
            if products is not None:
                return products
        # In place, for the matrices are large; they are not asked for again.
        products = self._layout.by_output(self._matrix().mul_(self._layout.to_matrix(weight)).sum(dim=2))
        self._formed = None
        return products.sum(dim=1) if self._layout.windows_on_rows else products

    def _matrix(self) -> Tensor:
        if self._formed is None:
            self._formed = sum_of_outer_products(self._left, self._right, self._left.scratch)
        return self._formed
