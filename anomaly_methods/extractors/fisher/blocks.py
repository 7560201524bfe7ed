"""The block of the Fisher information that belongs to one tensor: how it is summed up and inverted."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor

from anomaly_methods.extractors.fisher.forms import DiagonalForm, KroneckerForm, QuadraticForm

__all__ = ["Block", "DiagonalBlock", "KroneckerBlock"]


class Block(ABC):
    """What is kept of F = E[g g^T] for one tensor, g its gradient of one image's log p, and how it is used.

    Args:
        shape: of the parameter tensor.
    """

    def __init__(self, shape: Sequence[int]) -> None:
        self.shape = tuple(shape)

    @property
    def numel(self) -> int:
        """Number of parameters."""
        return math.prod(self.shape)

    @property
    @abstractmethod
    def moment_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shapes of the moments."""

    @abstractmethod
    def sums(self, gradients: Tensor) -> list[Tensor]:
        """Sum the moments of gradients (n, *shape) over the n images, in their dtype."""

    @abstractmethod
    def trace(self, moments: Sequence[Tensor]) -> float:
        """Return the trace of the block from its moments, means over images."""

    @abstractmethod
    def form(self, moments: Sequence[Tensor], damping: float) -> QuadraticForm:
        """Return `g -> g^T (F + damping I)^-1 g`, computed in float64 and kept in the moments' dtype.

        Args:
            moments: means over images.
            damping: what is added to every eigenvalue of the block, > 0.
        """


class DiagonalBlock(Block):
    """The diagonal alone: F_jj = E[g_j^2], all other entries taken as zero."""

    def __str__(self) -> str:
        return "diagonal"

    @property
    def moment_shapes(self) -> tuple[tuple[int, ...], ...]:
        return (self.shape,)

    def sums(self, gradients: Tensor) -> list[Tensor]:
        return [gradients.square().sum(dim=0)]

    def trace(self, moments: Sequence[Tensor]) -> float:
        return float(moments[0].double().sum())

    def form(self, moments: Sequence[Tensor], damping: float) -> QuadraticForm:
        return DiagonalForm((1 / (moments[0].double() + damping)).to(moments[0].dtype))


class KroneckerBlock(Block):
    """A Kronecker product of one small matrix for each side of the tensor, or with one side the exact block.

    Written with sides d_1 x ... x d_m, the gradient of image i is an array G_i. The moments are
    `S_k = E[unfold_k(G) unfold_k(G)^T]`, (d_k, d_k), with side k as rows and all others as columns, and

    `F ~ (S_1 (x) ... (x) S_m) / tr(F)^(m - 1)`, where tr(F) = tr(S_k) for every k.

    The S_k are the partial traces of F itself. So the product is F wherever F is a Kronecker product over
    these sides, whatever its factors; its trace is always that of F; it is positive semi-definite; and m = 1
    is the whole block `F = E[g g^T]`. For two sides (output x input of a convolution or linear layer) KFAC
    and KFC take the same form with factors from layer inputs and output gradients, assuming that the two are
    independent and alike at all positions. Partial traces assume neither, ask for no more than each image's
    gradient of the tensor, and so also hold where a weight is used times a factor (this library's Glow folds
    normalizations into its convolutions), several times, or in no layer at all. Where F is no such product,
    they are one step of the power iteration towards the nearest one in Frobenius norm, from the identity.

    Args:
        shape: of the parameter tensor.
        sides: d_1 ... d_m, whose product is the number of parameters.

    References:
        Form: Optimizing Neural Networks with Kronecker-factored Approximate Curvature (Martens & Grosse,
        2015); A Kronecker-factored approximate Fisher matrix for convolution layers (Grosse & Martens, 2016).
        Factors: Shampoo: Preconditioned Stochastic Tensor Optimization (Gupta et al., 2018), for its
        preconditioner's sums; A Trace-restricted Kronecker-Factored Approximation to Natural Gradient (Gao et
        al., 2021), for the trace; A New Perspective on Shampoo's Preconditioner (Morwani et al., 2024), for
        the power iteration; Approximation with Kronecker Products (Van Loan & Pitsianis, 1993), for its goal.
    """

    def __init__(self, shape: Sequence[int], sides: Sequence[int]) -> None:
        super().__init__(shape)
        self.sides = tuple(sides)
        if math.prod(self.sides) != self.numel:
            raise ValueError(f"Sides {self.sides} do not make up a tensor of shape {self.shape}.")

    def __str__(self) -> str:
        return " x ".join(map(str, self.sides)) if len(self.sides) > 1 else "whole"

    @property
    def moment_shapes(self) -> tuple[tuple[int, ...], ...]:
        return tuple((side, side) for side in self.sides)

    def sums(self, gradients: Tensor) -> list[Tensor]:
        arrays = gradients.reshape(len(gradients), *self.sides)
        return [_gram(arrays.movedim(side, 0).flatten(1)) for side in range(1, arrays.dim())]

    def trace(self, moments: Sequence[Tensor]) -> float:
        return float(moments[0].double().trace())

    def form(self, moments: Sequence[Tensor], damping: float) -> QuadraticForm:
        """Return `g -> g^T (S_1 (x) ... (x) S_m / tr(F)^(m - 1) + damping I)^-1 g`, exactly.

        Every factor is written as U_k diag(e_k) U_k^T. Then the damped product has the eigenvectors
        U_1 (x) ... (x) U_m and the eigenvalues e_1 (x) ... (x) e_m / tr(F)^(m - 1) + damping.
        """
        trace, dtype = self.trace(moments), moments[0].dtype
        spectrum, bases = moments[0].new_ones((), dtype=torch.float64), []
        for moment in moments:
            values, vectors = torch.linalg.eigh(moment.double())
            bases.append(vectors.to(dtype))
            # Relative to the trace, so that no product of many sides overflows; rounding can fall below zero.
            relative = values.clamp_min(0) / trace if trace > 0 else torch.zeros_like(values)
            spectrum = spectrum[..., None] * relative
        return KroneckerForm(bases, (1 / (spectrum * trace + damping)).to(dtype))


def _gram(rows: Tensor) -> Tensor:
    return rows @ rows.T
