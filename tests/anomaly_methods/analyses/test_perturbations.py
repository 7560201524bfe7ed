"""The distribution of moves over images."""

from __future__ import annotations

import math

import numpy as np
import pytest

from anomaly_methods.analyses.perturbations import moves
from anomaly_methods.statistics import Statistics
from tests.anomaly_methods.examples import make_statistics


def perturbed(values: dict[str, list[float]], **changes: object) -> Statistics:
    settings = {"norm": 0.01, "directions": 1, "latents": "standardized"}
    return make_statistics(values, **{"kind": "perturbation", "settings": settings, **changes})


def test_a_row_is_the_distribution_of_one_kind_of_values() -> None:
    values = list(np.arange(101) / 1000.0)
    latents, image = moves([perturbed({"input_moved.total": values, "latent_moved.scale2": values})])
    assert (latents.perturbed, latents.scale, latents.norm) == ("latents", "total", 0.01)
    assert (image.perturbed, image.scale) == ("image", "2")
    found = (image.mean, image.q05, image.median, image.q95, image.maximum)
    assert found == pytest.approx((0.05, 0.005, 0.05, 0.095, 0.1))
    assert (image.n, image.nonfinite) == (101, 0)


def test_images_with_nonfinite_moves_are_left_out_and_counted() -> None:
    (row,) = moves([perturbed({"input_moved.total": [1.0, math.nan, 3.0, math.inf]})])
    assert (row.mean, row.maximum, row.n, row.nonfinite) == (2.0, 3.0, 2, 2)
    (row,) = moves([perturbed({"input_moved.total": [math.nan]})])
    assert math.isnan(row.mean)
    assert math.isnan(row.median)
    assert row.nonfinite == 1


def test_other_statistics_are_refused() -> None:
    with pytest.raises(ValueError, match="perturbation statistics, got likelihood of cats"):
        moves([make_statistics([1.0])])
