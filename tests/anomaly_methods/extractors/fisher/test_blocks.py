"""Blocks of the Fisher information against matrices that are written out."""

from __future__ import annotations

import math
from functools import reduce

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from anomaly_methods.extractors.fisher.blocks import Block, DiagonalBlock, KroneckerBlock
from anomaly_methods.extractors.fisher.structure import blocks_of, kronecker_block

DRAWN = settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
SIDES = st.lists(st.integers(1, 5), min_size=1, max_size=3)


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def means(block: Block, gradients: Tensor) -> list[Tensor]:
    return [total / len(gradients) for total in block.sums(gradients)]


def quadratic(gradients: Tensor, matrix: Tensor) -> Tensor:
    """Return g^T matrix^-1 g by solving the system, for every row."""
    rows = gradients.flatten(1)
    solved: Tensor = torch.linalg.solve(matrix, rows.T).T
    return (rows * solved).sum(dim=1)


def second_moment(gradients: Tensor) -> Tensor:
    rows = gradients.flatten(1)
    return rows.T @ rows / len(rows)


@DRAWN
@given(sides=SIDES, damping=st.sampled_from([1e-3, 1.0, 50.0]), images=st.integers(1, 7))
def test_damped_product_is_that_of_the_matrix_written_out(
    sides: list[int], damping: float, images: int
) -> None:
    size = math.prod(sides)
    gradients, new = noise(images, size), noise(4, size, seed=1)
    block = KroneckerBlock((size,), sides)
    moments = means(block, gradients)
    trace = second_moment(gradients).trace()
    matrix = reduce(torch.kron, moments) / trace ** (len(sides) - 1) + damping * torch.eye(size)
    torch.testing.assert_close(block.form(moments, damping)(new), quadratic(new, matrix))


@DRAWN
@given(sides=SIDES)
def test_moments_are_the_partial_traces_of_the_second_moment(sides: list[int]) -> None:
    gradients = noise(3, *sides)
    block = KroneckerBlock(sides, sides)
    whole = second_moment(gradients).reshape(*sides, *sides)
    for side, moment in enumerate(means(block, gradients)):
        traced = whole
        for other in reversed([place for place in range(len(sides)) if place != side]):
            traced = traced.diagonal(dim1=other, dim2=other + traced.dim() // 2).sum(dim=-1)
        torch.testing.assert_close(moment, traced)
    assert block.trace(means(block, gradients)) == pytest.approx(float(second_moment(gradients).trace()))


@pytest.mark.parametrize("sides", [(3, 4), (2, 3, 2)])
def test_a_second_moment_that_is_a_product_is_found_exactly(sides: tuple[int, ...]) -> None:
    # Every combination of one vector per side: the second moment of the outer products is a product.
    vectors = [noise(5, side, seed=place) for place, side in enumerate(sides)]
    letters = "abc"[: len(sides)]
    equation = ",".join(f"{chr(110 + k)}{letter}" for k, letter in enumerate(letters))
    numbers = "".join(chr(110 + k) for k in range(len(sides)))
    gradients = torch.einsum(f"{equation}->{numbers}{letters}", *vectors).reshape(-1, *sides)
    block, new = KroneckerBlock(sides, sides), noise(6, *sides, seed=9)
    found = block.form(means(block, gradients), 0.1)(new)
    expected = second_moment(gradients) + 0.1 * torch.eye(math.prod(sides))
    torch.testing.assert_close(found, quadratic(new, expected))


def test_one_side_is_the_whole_block() -> None:
    gradients, new = noise(9, 2, 3), noise(4, 2, 3, seed=1)
    block = KroneckerBlock((2, 3), (6,))
    found = block.form(means(block, gradients), 0.1)(new)
    torch.testing.assert_close(found, quadratic(new, second_moment(gradients) + 0.1 * torch.eye(6)))


@pytest.mark.parametrize("shape", [(), (4,), (2, 3, 1)])
def test_diagonal_is_its_formula(shape: tuple[int, ...]) -> None:
    gradients, new = noise(9, *shape), noise(4, *shape, seed=1)
    block = DiagonalBlock(shape)
    found = block.form(means(block, gradients), 0.1)(new)
    expected = (new.square() / (gradients.square().mean(dim=0) + 0.1)).reshape(4, -1).sum(dim=1)
    torch.testing.assert_close(found, expected)
    assert block.trace(means(block, gradients)) == pytest.approx(float(gradients.square().sum() / 9))


@pytest.mark.parametrize("block", [DiagonalBlock((2, 3)), KroneckerBlock((2, 3), (2, 3))])
def test_a_block_of_zeros_leaves_the_damping(block: Block) -> None:
    new = noise(4, 2, 3)
    found = block.form(means(block, torch.zeros(5, 2, 3).double()), 0.5)(new)
    torch.testing.assert_close(found, new.square().sum(dim=(1, 2)) / 0.5)


@pytest.mark.parametrize("size", [1e-12, 1e12])
def test_products_of_many_sides_neither_overflow_nor_vanish(size: float) -> None:
    gradients = size * noise(9, 2, 3, 2)
    block = KroneckerBlock((2, 3, 2), (2, 3, 2))
    moments = [moment.float() for moment in means(block, gradients)]
    found = block.form(moments, 0.1 * size**2)(gradients.float())
    expected = block.form(means(block, gradients / size), 0.1)(gradients / size)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=0)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("block", [DiagonalBlock((2, 3)), KroneckerBlock((2, 3), (2, 3))])
def test_gradients_that_are_not_finite_are_seen(block: Block, value: float) -> None:
    new = noise(2, 2, 3)
    new[1, 0, 0] = value
    found = block.form(means(block, noise(9, 2, 3)), 0.1)(new)
    assert found.isfinite().tolist() == [True, False]


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((), "whole"),
        ((512,), "whole"),
        ((513,), "diagonal"),
        ((8, 2, 3, 3), "whole"),
        ((24, 24), "24 x 24"),
        ((64, 6, 3, 3), "64 x 54"),
        ((64, 64, 1, 1), "64 x 64"),
        ((24, 512, 3, 3), "24 x 512 x 9"),
        ((24, 2048, 1, 1), "24 x 2048"),
        ((1, 2000), "whole"),
        ((64, 1, 3, 3), "64 x 9"),
        ((5000, 8), "diagonal"),
        ((10, 5000, 3, 3), "diagonal"),
    ],
)
def test_which_block_a_tensor_gets(shape: tuple[int, ...], expected: str) -> None:
    block = kronecker_block(shape)
    assert str(block) == expected
    assert block.numel == math.prod(shape)


def test_unknown_structures_name_the_known() -> None:
    with pytest.raises(ValueError, match="no structure 'full'; known are diagonal, kronecker"):
        blocks_of("full", {})


def test_sides_that_do_not_make_up_the_tensor_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(2, 2\) do not make up a tensor of shape \(2, 3\)"):
        KroneckerBlock((2, 3), (2, 2))
