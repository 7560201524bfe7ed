"""Products of one pair of matrices for each group, in the way that is fastest for their size."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from anomaly_methods.extractors.gradient_norms.scratch import Scratch
from anomaly_methods.extractors.gradient_norms.windows import Rows

__all__ = ["gram_is_cheaper", "product", "squared_norm_by_gram", "sum_of_outer_products"]

# From so many multiplications per group on, a call of oneDNN for each is worth its 20 microseconds: on one
# core of an AMD EPYC it reached 180 GFLOP/s, and MKL, which is behind torch.bmm, 80.
_LARGE = 1 << 22
# Multiplications in the time that it takes to write a number of a product and to read it again.
_PASSES = 8
# Numbers of both sides and their products that stay in a processor's cache: windows are gathered for so few
# groups at a time that they are used while they are there.
_IN_CACHE = 1 << 20


def sum_of_outer_products(left: Rows, right: Rows, scratch: Scratch | None = None) -> Tensor:
    """Return the sum over positions p of `left[p] (x) right[p]` for each group.

    Args:
        left: of width N.
        right: of width K, of as many groups and positions.
        scratch: where to put the sums, which are then valid until the next are put there.

    Returns:
        (groups, N, K).
    """
    shape = left.groups, left.width, right.width
    sums = left.x.new_empty(shape) if scratch is None else scratch.empty("sums", left.x, *shape)
    for first, last in _pieces(left, right, left.width * right.width):
        _sum_into(sums[first:last], left.of(first, last), right.of(first, last))
    return sums


def _pieces(left: Rows, right: Rows, more: int) -> Iterator[tuple[int, int]]:
    """Yield the first and last group of pieces that stay in cache, with so many more numbers per group."""
    count = max(1, _IN_CACHE // (left.positions * (left.width + right.width) + more))
    for first in range(0, left.groups, count):
        yield first, min(first + count, left.groups)


def _sum_into(sums: Tensor, left: Tensor, right: Tensor) -> None:
    if left.shape[1:].numel() * right.shape[2] >= _LARGE and _has_onednn(left):
        for total, one, other in zip(sums, left, right, strict=True):
            total.copy_(_by_onednn(one.t(), other.t()))
    else:
        torch.bmm(left.transpose(1, 2), right, out=sums)


def squared_norm_by_gram(left: Rows, right: Rows) -> Tensor:
    """Return the squared norms of `sum_of_outer_products` without forming them: (groups,), float64.

    They are sums over positions p and q of `<left[p], left[q]> <right[p], right[q]>`.
    """
    found = []
    for first, last in _pieces(left, right, 2 * left.positions**2):
        grams = _gram(left.of(first, last)), _gram(right.of(first, last))
        # Sums along one side in the precision of the vectors, along the other in double precision.
        found.append(torch.linalg.vecdot(*grams))
    return torch.cat(found).double().sum(dim=1)


def _gram(vectors: Tensor) -> Tensor:
    """Return the inner products of the vectors (groups, P, K) of each group, (groups, P, P)."""
    if vectors.shape[1] ** 2 * vectors.shape[2] >= _LARGE and _has_onednn(vectors):
        return torch.stack([_by_onednn(one, one) for one in vectors])
    return torch.bmm(vectors, vectors.transpose(1, 2))


def gram_is_cheaper(left: Rows, right: Rows) -> bool:
    """Whether `squared_norm_by_gram` takes less time than forming the sums and reading their numbers."""
    positions, rows, columns = left.positions, left.width, right.width
    by_gram = positions**2 * (rows + columns + _PASSES)
    return by_gram < rows * columns * (positions + _PASSES)


def product(one: Tensor, other: Tensor) -> Tensor:
    """Return the product of two matrices."""
    if one.numel() * other.shape[1] >= _LARGE and _has_onednn(one):
        return _by_onednn(one, other.t())
    return one @ other


def _by_onednn(one: Tensor, other: Tensor) -> Tensor:
    """Return `one @ other.t()`."""
    found: Tensor = torch.ops.mkldnn._linear_pointwise(one, other, None, "none", [], "")
    return found


def _has_onednn(values: Tensor) -> bool:
    is_known = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    return is_known and values.device.type == "cpu" and values.dtype is torch.float32
