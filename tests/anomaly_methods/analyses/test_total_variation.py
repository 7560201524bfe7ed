"""The volume of images of bounded total variation: the bound against exact volumes, and its parts."""

from __future__ import annotations

import math

import numpy as np
import pytest

from anomaly_methods.analyses.total_variation import (
    log10_volume_bound,
    log_decay,
    total_variation,
    volume_bounds,
)


def variation_of(x: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> float:
    """Add up every pair of neighbours of one image (H, W), one by one."""
    height, width = x.shape
    total = 0.0
    for row in range(height):
        for column in range(width):
            if column + 1 < width:
                total += abs(x[row, column] - x[row, column + 1])
            if row + 1 < height:
                total += abs(x[row, column] - x[row + 1, column])
    return total


def test_total_variation_counts_every_pair_of_neighbours_once() -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, 4, 5, 1), dtype=np.uint8)
    expected = [variation_of((image[..., 0] + 0.5) / 256) for image in images]
    assert total_variation(images, seed=None) == pytest.approx(expected)
    channels = np.concatenate([images, images[::-1]], axis=3)
    assert total_variation(channels, seed=None) == pytest.approx(np.add(expected, expected[::-1]))


def test_noise_moves_total_variation_by_no_more_than_a_bin_for_each_pair() -> None:
    images = np.random.default_rng(0).integers(0, 256, (8, 6, 6, 1), dtype=np.uint8)
    pairs = 2 * 6 * 5
    moved = total_variation(images, seed=1) - total_variation(images, seed=None)
    assert (np.abs(moved) <= pairs / 256).all()
    assert (moved != 0).all()
    flat = total_variation(np.zeros((2000, 6, 6, 1), np.uint8), seed=1)
    assert flat.mean() == pytest.approx(pairs / 3 / 256, rel=0.01)  # E|u - u'| = 1/3


@pytest.mark.parametrize("largest", [0.01, 0.1, 0.3, 0.6, 0.99])
def test_of_two_pixels_the_volume_is_known(largest: float) -> None:
    exact = math.log10(2 * largest - largest**2)
    found = log10_volume_bound((1, 1, 2), largest)
    assert exact <= found <= exact + math.log10(2 / (2 - largest)) + 1e-12
    assert found == log10_volume_bound((1, 2, 1), largest)


@pytest.mark.parametrize("largest", [0.05, 0.2, 0.5, 1.0])
def test_of_three_pixels_the_bound_is_above_the_exact_volume(largest: float) -> None:
    # Where the middle pixel is y and the first x, the third has what |x - y| leaves, within the cube.
    x, y = np.meshgrid(*2 * [(np.arange(1000) + 0.5) / 1000])
    rest = np.maximum(largest - np.abs(x - y), 0)
    exact = float((np.minimum(1, y + rest) - np.maximum(0, y - rest)).mean())
    found = 10 ** log10_volume_bound((1, 1, 3), largest)
    assert exact <= found <= min(1, (2 * largest) ** 2 / 2) + 1e-12


@pytest.mark.parametrize("shape", [(1, 2, 2), (1, 2, 3), (1, 3, 3), (2, 2, 2)])
def test_no_share_of_random_images_is_above_the_bound(shape: tuple[int, int, int]) -> None:
    channels, height, width = shape
    x = np.random.default_rng(0).random((200_000, height, width, channels))
    variation = np.abs(np.diff(x, axis=1)).sum((1, 2, 3)) + np.abs(np.diff(x, axis=2)).sum((1, 2, 3))
    for largest in np.quantile(variation, (0.0005, 0.005, 0.05, 0.5)):
        share = float((variation <= largest).mean())
        error = 4 * math.sqrt(share / len(x))
        bound = 10 ** log10_volume_bound(shape, float(largest))
        assert share - error <= bound
        assert bound <= 1


def test_the_largest_eigenvalue_is_that_of_the_discretised_kernel() -> None:
    nodes, weights = np.polynomial.legendre.leggauss(400)
    x, w = (nodes + 1) / 2, weights / 2
    for rate in (0.1, 1.0, 10.0, 25.0):
        kernel = np.exp(-rate * np.abs(x[:, None] - x)) * np.sqrt(np.outer(w, w))
        assert math.exp(log_decay(rate)) == pytest.approx(float(np.linalg.eigvalsh(kernel)[-1]), rel=2e-3)


def test_the_exact_transform_of_a_row_is_below_its_bound() -> None:
    nodes, weights = np.polynomial.legendre.leggauss(400)
    x, w = (nodes + 1) / 2, weights / 2
    for rate in (0.5, 5.0, 30.0):
        kernel, row = np.exp(-rate * np.abs(x[:, None] - x)), np.ones_like(x)
        for _ in range(9):
            row = kernel @ (w * row)
        assert math.log(float(w @ row)) <= 9 * log_decay(rate)


def test_by_hand_for_digits() -> None:
    # 28 x 28: 756 pairs each way, V = 100: 2 (100)^756 / 756!.
    expected = math.log10(2) + 756 * 2 - math.lgamma(757) / math.log(10)
    found = log10_volume_bound((1, 28, 28), 100.0)
    assert found <= expected
    assert found == pytest.approx(expected, rel=0.06)
    assert log10_volume_bound((1, 28, 28), 504.0) > -20  # what uniform noise has on average: not rare
    assert log10_volume_bound((1, 28, 28), 2000.0) == 0.0


def test_more_variation_is_more_volume() -> None:
    found = [log10_volume_bound((1, 28, 28), v) for v in (1, 10, 50, 100, 200, 300, 400, 500, 700)]
    assert found == sorted(found)


@pytest.mark.parametrize(("shape", "largest"), [((1, 1, 1), 1.0), ((1, 2, 2), 0.0), ((1, 2, 2), math.nan)])
def test_what_has_no_bound_is_refused(shape: tuple[int, int, int], largest: float) -> None:
    with pytest.raises(ValueError, match="A bound needs a positive total variation"):
        log10_volume_bound(shape, largest)


def test_bounds_of_a_set_are_at_its_quantiles() -> None:
    images = np.random.default_rng(0).integers(0, 40, (21, 8, 8, 1), dtype=np.uint8)
    variations = np.sort(total_variation(images, 3))
    half, whole = volume_bounds(images, "cats", (0.5, 1.0), seed=3)
    assert (half.total_variation, whole.total_variation) == (variations[10], variations[-1])
    assert whole.log10_volume == log10_volume_bound((1, 8, 8), float(variations[-1]))
    assert whole.bits_per_dim == pytest.approx(8 + whole.log10_volume / 64 / math.log10(2))


def test_a_share_between_two_images_is_that_of_the_one_with_more_variation() -> None:
    images = np.random.default_rng(0).integers(0, 40, (4, 5, 6, 3), dtype=np.uint8)
    (found,) = volume_bounds(images, "dogs", (0.5,), seed=3)  # so that half of the images are below it
    assert found.total_variation == np.sort(total_variation(images, 3))[2]
    assert found.log10_volume == log10_volume_bound((3, 5, 6), found.total_variation)
    assert found.bits_per_dim == pytest.approx(8 + found.log10_volume / 90 / math.log10(2))
