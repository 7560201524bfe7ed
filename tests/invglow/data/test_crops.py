"""Where random crops of a photograph lie, and how large they are."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from invglow.data.crops import CropSettings, random_box


@pytest.mark.parametrize(("width", "height"), [(200, 100), (100, 200)])
def test_boxes_lie_anywhere_and_the_logarithm_of_their_side_is_uniform(width: int, height: int) -> None:
    rng = np.random.default_rng(0)
    boxes = np.array([random_box(width, height, CropSettings(size=32), rng) for _ in range(3000)])
    left, top, right, bottom = boxes.T
    side = right - left
    np.testing.assert_array_equal(side, bottom - top)
    assert boxes.min() >= 0
    assert (right.max(), bottom.max()) == (width, height)
    jitter = rng.random((3, 3000))  # makes whole numbers as continuous as what they were rounded from
    sides = np.log(side + jitter[0] - 0.5)[(side > 32) & (side < 100)]
    assert stats.kstest(sides, stats.uniform(math.log(32.5), math.log(99.5 / 32.5)).cdf).pvalue > 1e-3
    for places, room in ((left, width - side), (top, height - side)):
        assert stats.kstest((places + jitter[1]) / (room + 1), "uniform").pvalue > 1e-3


def test_a_share_of_the_boxes_is_as_large_as_they_may_be() -> None:
    rng, settings = np.random.default_rng(0), CropSettings(size=32, largest=0.8, whole=0.25)
    sides = np.array([right - left for left, _, right, _ in _boxes(settings, rng)])
    assert sides.max() == 80
    assert stats.binomtest(int((sides == 80).sum()), len(sides), 0.25 + 0.75 * 0.007).pvalue > 1e-3


def _boxes(settings: CropSettings, rng: np.random.Generator) -> list[tuple[int, int, int, int]]:
    return [random_box(150, 100, settings, rng) for _ in range(2000)]
