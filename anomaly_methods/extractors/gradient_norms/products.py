"""Products of one pair of matrices for each group, in the way that is fastest for their size."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

__all__ = ["gram_is_cheaper", "squared_norm_by_gram", "sum_of_outer_products"]

# From so many multiplications per group on, a call of oneDNN for each is worth its 20 microseconds: on one
# core of an AMD EPYC it reached 180 GFLOP/s, and MKL, which is behind torch.bmm, 80.
_LARGE = 1 << 22
# Multiplications in the time that it takes to write a number of a product and to read it again.
_PASSES = 8


def sum_of_outer_products(left: Tensor, right: Tensor) -> Tensor:
    """Return the sum over positions p of `left[p] (x) right[p]` for each group.

    Args:
        left: (groups, P, N).
        right: (groups, P, K).

    Returns:
        (groups, N, K).
    """
    if left.shape[1:].numel() * right.shape[2] >= _LARGE and _has_onednn(left):
        return torch.stack([_by_onednn(one.t(), other.t()) for one, other in zip(left, right, strict=True)])
    return torch.bmm(left.transpose(1, 2), right)


def squared_norm_by_gram(left: Tensor, right: Tensor, scale: Tensor | None = None) -> Tensor:
    """Return the squared norms of `sum_of_outer_products` without forming them: (groups,), float64.

    They are sums over positions p and q of `<left[p], left[q]> <right[p], right[q]>`.

    Args:
        left: (groups, P, N).
        right: (groups, P, K).
        scale: factors (N,) of the rows of the sums.
    """
    # Sums along one side in the precision of the vectors, along the other in double precision.
    rows = [torch.linalg.vecdot(one, other) for one, other in _pairs_of_grams(left, right, scale)]
    return torch.cat(rows).double().sum(dim=1)


def gram_is_cheaper(left: Tensor, right: Tensor) -> bool:
    """Whether `squared_norm_by_gram` takes less time than forming the sums and reading their numbers."""
    positions, rows, columns = left.shape[1], left.shape[2], right.shape[2]
    by_gram = positions**2 * (rows + columns + _PASSES)
    return by_gram < rows * columns * (positions + _PASSES)


def _pairs_of_grams(left: Tensor, right: Tensor, scale: Tensor | None) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the Gram matrices (some groups, P, P) of both sides, for all groups or one group at a time."""
    if left.shape[1] ** 2 * (left.shape[2] + right.shape[2]) >= 2 * _LARGE and _has_onednn(left):
        for one, other in zip(left, right, strict=True):
            scaled = one if scale is None else one * scale  # which stays in the processor's cache
            yield _by_onednn(scaled, scaled)[None], _by_onednn(other, other)[None]
    else:
        left = left if scale is None else left * scale
        yield torch.bmm(left, left.transpose(1, 2)), torch.bmm(right, right.transpose(1, 2))


def _by_onednn(one: Tensor, other: Tensor) -> Tensor:
    """Return `one @ other.t()`."""
    product: Tensor = torch.ops.mkldnn._linear_pointwise(one, other, None, "none", [], "")
    return product


def _has_onednn(values: Tensor) -> bool:
    is_known = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    return is_known and values.device.type == "cpu" and values.dtype is torch.float32
