"""Shares of scales: means, what they explain of a difference, and how well each separates."""

from __future__ import annotations

import math

import numpy as np
import pytest

from anomaly_methods.analyses.scales import scale_shares
from anomaly_methods.metrics import auroc
from anomaly_methods.statistics import Statistics
from tests.anomaly_methods.examples import make_statistics


def shares(
    finest: list[float], coarsest: list[float], dataset: str = "cats", **changes: object
) -> Statistics:
    total = [one + other for one, other in zip(finest, coarsest, strict=True)]
    values = {"log_prob": total, "log_prob.scale0": finest, "log_prob.scale1": coarsest}
    return make_statistics(values, dataset=dataset, dataset_sha256=dataset, **changes)


INSIDE = shares([10.0, 20.0, 30.0], [5.0, 6.0, 7.0])
OUTSIDE = shares([40.0, 50.0], [3.0, 5.5], "dogs")


def test_means_and_deviations_are_those_of_the_shares() -> None:
    rows = scale_shares([INSIDE])
    assert [(row.scale, row.mean, row.n) for row in rows] == [
        ("0", 20.0, 3),
        ("1", 6.0, 3),
        ("total", 26.0, 3),
    ]
    assert [row.std for row in rows] == pytest.approx(
        [np.std([10, 20, 30]), np.std([5, 6, 7]), np.std([15, 26, 37])]
    )
    assert all(
        row.difference == 0 and math.isnan(row.of_difference) and math.isnan(row.auroc) for row in rows
    )


def test_what_explains_a_fall_of_the_total_falls_itself() -> None:
    fine, coarse, total = scale_shares([INSIDE, shares([4.0, 6.0], [12.0, 14.0], "noise")])[3:]
    assert (fine.difference, coarse.difference, total.difference) == (-15.0, 7.0, -8.0)
    assert [row.of_difference for row in (fine, coarse, total)] == [15 / 8, -7 / 8, 1.0]


def test_differences_of_scales_sum_to_that_of_the_total() -> None:
    fine, coarse, total = scale_shares([INSIDE, OUTSIDE])[3:]
    assert (fine.dataset, fine.difference, coarse.difference) == ("dogs", 25.0, -1.75)
    assert total.difference == fine.difference + coarse.difference == 23.25
    assert fine.of_difference + coarse.of_difference == pytest.approx(1.0)
    assert total.of_difference == 1.0


def test_each_share_is_a_score_low_shares_being_anomalous() -> None:
    fine, coarse, total = scale_shares([INSIDE, OUTSIDE])[3:]
    assert (fine.auroc, total.auroc) == (0.0, 0.0)
    expected = auroc(-INSIDE.value("log_prob.scale1"), -OUTSIDE.value("log_prob.scale1"))
    assert coarse.auroc == expected == pytest.approx(5 / 6)


def test_scales_beyond_ten_are_in_order() -> None:
    values = {f"log_prob.scale{scale}": [float(scale)] for scale in (10, 2, 0)} | {"log_prob": [12.0]}
    assert [row.scale for row in scale_shares([make_statistics(values)])] == ["0", "2", "10", "total"]


def test_what_has_no_shares_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one image set"):
        scale_shares([])
    with pytest.raises(ValueError, match="'runs/specific' have no scales"):
        scale_shares([make_statistics([1.0])])
    with pytest.raises(ValueError, match="checkpoint_sha256"):
        scale_shares([INSIDE, shares([1.0], [1.0], "dogs", checkpoint_sha256="b")])
    with pytest.raises(ValueError, match="1 of 2 rows of dogs have likelihoods that are NaN"):
        scale_shares([INSIDE, shares([1.0, np.inf], [1.0, 2.0], "dogs")])
