"""Sums of outer products and their norms, in every way that they are computed, and when which is chosen."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from anomaly_methods.extractors.gradient_norms import products
from anomaly_methods.extractors.gradient_norms.per_group import squared_norms
from anomaly_methods.extractors.gradient_norms.products import (
    gram_is_cheaper,
    squared_norm_by_gram,
    sum_of_outer_products,
)
from anomaly_methods.extractors.gradient_norms.scratch import Scratch
from anomaly_methods.extractors.gradient_norms.windows import POINT, Rows

TOLERANCES = {torch.float32: 1e-4, torch.float64: 1e-12}


def sides(positions: int, rows: int, columns: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Return both sides for 3 groups, laid out in memory as those of convolutions are."""
    generator = torch.Generator().manual_seed(0)
    left, right = (
        torch.randn(3, positions, width, generator=generator, dtype=torch.float64)
        for width in (rows, columns)
    )
    return left.to(dtype), right.to(dtype).transpose(1, 2).contiguous().transpose(1, 2)


def rows_of(side: Tensor) -> Rows:
    """Return (groups, P, K) as what convolutions hand over."""
    return Rows(side.transpose(1, 2), POINT, (side.shape[1],), len(side), Scratch())


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("large", [0, 1 << 22])  # each group on its own, or all in one call
@pytest.mark.parametrize("sizes", [(1, 1, 1), (5, 3, 7), (40, 17, 33), (9, 32, 6)])
def test_all_ways_agree(
    dtype: torch.dtype, large: int, sizes: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(products, "_LARGE", large)
    left, right = sides(*sizes, dtype)
    expected = torch.einsum("gpn,gpk->gnk", left.double(), right.double())
    for numbers in (1, 1 << 19):  # one group at a time, or all
        monkeypatch.setattr(products, "_IN_CACHE", numbers)
        found = sum_of_outer_products(rows_of(left), rows_of(right))
        assert found.dtype is dtype
        torch.testing.assert_close(found.double(), expected, rtol=TOLERANCES[dtype], atol=TOLERANCES[dtype])
    tolerance = TOLERANCES[dtype]
    for scale in (None, torch.linspace(-2, 2, sizes[1], dtype=dtype)):
        scaled = expected if scale is None else expected * scale.double()[:, None]
        norms = squared_norm_by_gram(rows_of(left)._replace(factors=scale), rows_of(right))
        torch.testing.assert_close(norms, scaled.square().sum(dim=(1, 2)), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(
    ("sizes", "by_gram"),
    [
        ((1, 400, 784), True),  # a linear layer
        ((16, 64, 216), True),  # a 3x3 convolution at 4x4
        ((64, 512, 512), True),
        ((256, 512, 512), True),  # as many multiplications, but no large matrix
        ((256, 64, 64), False),
        ((64, 64, 216), False),
        ((1280, 512, 512), False),  # a group of five images
    ],
)
def test_gram_matrices_are_taken_where_positions_are_few(sizes: tuple[int, int, int], by_gram: bool) -> None:
    positions, rows, columns = sizes
    left = torch.empty(1, positions, rows, device="meta")
    right = torch.empty(1, positions, columns, device="meta")
    assert gram_is_cheaper(rows_of(left), rows_of(right)) is by_gram


@pytest.mark.parametrize("scale", [1e-25, 1e-10, 1.0, 1e15, 1e25])
@pytest.mark.parametrize("numbers", [3, 1000])
def test_squares_neither_vanish_nor_overflow(scale: float, numbers: int) -> None:
    values = torch.randn(4, numbers, 2, generator=torch.Generator().manual_seed(0)) * scale
    expected = values.double().square().sum(dim=(1, 2))
    torch.testing.assert_close(squared_norms(values), expected, rtol=1e-5, atol=0)
