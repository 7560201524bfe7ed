"""Metrics against brute force, scikit-learn and closed forms."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import ndtr
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from anomaly_methods import metrics
from anomaly_methods.metrics import auroc, auroc_interval, average_precision, fpr_at_tpr, separation

# Few distinct scores, so that ties are common.
SCORES = st.lists(st.integers(-3, 3).map(float) | st.floats(-1e6, 1e6), min_size=1, max_size=30)


def labelled(inside: list[float], outside: list[float]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    return np.repeat([0, 1], [len(inside), len(outside)]), np.array(inside + outside)


def shifted_normals(distance: float, n: int = 10_000) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    generator = np.random.default_rng(0)
    return generator.normal(size=n), generator.normal(size=n) + distance


@settings(deadline=None)
@given(inside=SCORES, outside=SCORES)
def test_auroc_is_the_share_of_ordered_pairs(inside: list[float], outside: list[float]) -> None:
    pairs = [0.5 * (a == b) + (b > a) for a in inside for b in outside]
    assert auroc(inside, outside) == pytest.approx(np.mean(pairs), abs=1e-12)
    assert auroc(inside, outside) == pytest.approx(roc_auc_score(*labelled(inside, outside)), abs=1e-12)
    assert auroc(outside, inside) == pytest.approx(1 - auroc(inside, outside), abs=1e-12)


@settings(deadline=None)
@given(inside=SCORES, outside=SCORES)
def test_average_precision_both_ways(inside: list[float], outside: list[float]) -> None:
    labels, scores = labelled(inside, outside)
    assert average_precision(inside, outside) == pytest.approx(average_precision_score(labels, scores))
    normal = average_precision(inside, outside, positive="normal")
    assert normal == pytest.approx(average_precision_score(1 - labels, -scores))


@settings(deadline=None)
@given(inside=SCORES, outside=SCORES, tpr=st.sampled_from([0.5, 0.95, 1.0]))
def test_fpr_is_that_of_the_first_point_of_the_curve(
    inside: list[float], outside: list[float], tpr: float
) -> None:
    labels, scores = labelled(inside, outside)
    false_rates, true_rates, _ = roc_curve(labels, scores, drop_intermediate=False)
    expected = false_rates[true_rates >= tpr - 1e-9][0]
    assert fpr_at_tpr(inside, outside, tpr=tpr) == pytest.approx(expected)


@pytest.mark.parametrize("tpr", [0.07, 0.55, 0.95])
def test_so_many_anomalies_as_the_rate_says_suffice(tpr: float) -> None:
    """Of 100, as many as 100 tpr, though 0.55 * 100 is more than 55 by its last bit."""
    scores = np.arange(100.0)
    assert fpr_at_tpr(scores + 0.5, scores, tpr=tpr) == pytest.approx(tpr)


def test_all_metrics_in_one() -> None:
    inside, outside = shifted_normals(1.0, 500)
    outside = outside[:300]
    result = separation(inside, outside, seed=3)
    assert result.auroc == auroc(inside, outside)
    assert (result.auroc_low, result.auroc_high) == auroc_interval(inside, outside, seed=3)
    assert result.ap_anomaly == average_precision(inside, outside)
    assert result.ap_normal == average_precision(inside, outside, positive="normal")
    assert result.fpr95 == fpr_at_tpr(inside, outside)
    assert (result.n_in, result.n_out, result.nonfinite) == (500, 300, 0)


@pytest.mark.parametrize("distance", [0.0, 0.5, 2.0])
def test_shifted_normals_have_their_known_area_and_rate(distance: float) -> None:
    inside, outside = shifted_normals(distance)
    assert auroc(inside, outside) == pytest.approx(ndtr(distance / math.sqrt(2)), abs=0.01)
    assert fpr_at_tpr(inside, outside) == pytest.approx(ndtr(1.6449 - distance), abs=0.02)


def test_interval_has_the_width_that_hanley_and_mcneil_give() -> None:
    inside, outside = shifted_normals(1.0, 2000)
    area = auroc(inside, outside)
    low, high = auroc_interval(inside, outside)
    two, one = area / (2 - area), 2 * area**2 / (1 + area)
    variance = (area * (1 - area) + 1999 * (two + one - 2 * area**2)) / 2000**2
    assert low < area < high
    assert high - low == pytest.approx(2 * 1.96 * math.sqrt(variance), rel=0.1)


def test_interval_covers_the_truth_as_often_as_it_says() -> None:
    generator, truth = np.random.default_rng(5), float(ndtr(0.8 / math.sqrt(2)))
    covered = 0
    for _ in range(200):
        inside, outside = generator.normal(size=80), generator.normal(size=60) + 0.8
        low, high = auroc_interval(inside, outside, resamples=200)
        covered += low <= truth <= high
    assert 178 <= covered <= 199  # binomial 99.9 % for 0.95 of 200, and a little for so small sets


def test_interval_is_seeded_and_resamples_each_set_apart() -> None:
    inside, outside = shifted_normals(1.0, 300)
    assert auroc_interval(inside, outside, seed=1) == auroc_interval(inside, outside, seed=1)
    assert auroc_interval(inside, outside, seed=1) != auroc_interval(inside, outside, seed=2)
    assert auroc_interval([0.0], [1.0, 2.0, 3.0]) == (1.0, 1.0)


def test_ten_thousand_against_ten_thousand_takes_seconds() -> None:
    inside, outside = shifted_normals(1.0)
    begin = time.perf_counter()
    separation(inside, outside)
    assert time.perf_counter() - begin < 3.0  # 0.2 s where it was written


def test_equal_scores_tell_nothing() -> None:
    result = separation([2.0] * 5, [2.0] * 15)
    assert (result.auroc, result.auroc_low, result.auroc_high) == (0.5, 0.5, 0.5)
    assert (result.ap_anomaly, result.ap_normal, result.fpr95) == (0.75, 0.25, 1.0)


def test_perfect_and_reversed_scores() -> None:
    low, high = [1.0, 2.0, 3.0], [4.0, 5.0]
    assert (auroc(low, high), fpr_at_tpr(low, high), average_precision(low, high)) == (1.0, 0.0, 1.0)
    assert (auroc(high, low), fpr_at_tpr(high, low)) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("inside", "outside", "name"), [([], [1.0], "in-distribution"), ([1.0], [], "anomaly")]
)
def test_one_class_alone_is_refused(inside: list[float], outside: list[float], name: str) -> None:
    with pytest.raises(ValueError, match=rf"at least one {name} score .* got shape \(0,\)"):
        separation(inside, outside)


def test_wrong_shapes_and_settings_are_refused() -> None:
    with pytest.raises(ValueError, match=r"shape \(1, 2\)"):
        auroc([[1.0, 2.0]], [1.0])
    with pytest.raises(ValueError, match=r"in \(0, 1\], got 95"):
        fpr_at_tpr([1.0], [1.0], tpr=95)
    with pytest.raises(ValueError, match=r"got 0\.95 and 0"):
        auroc_interval([1.0], [1.0], resamples=0)
    with pytest.raises(ValueError, match="got 'ignore'"):
        auroc([1.0], [1.0], nonfinite="ignore")  # type: ignore[arg-type]


def test_nonfinite_scores_are_refused_with_their_number() -> None:
    with pytest.raises(ValueError, match=r"^2 of 3 in-distribution scores and 1 of 2 anomaly scores are NaN"):
        separation([0.0, np.nan, np.inf], [1.0, -np.inf])


def test_nonfinite_scores_count_as_the_most_anomalous_when_asked() -> None:
    inside, outside = [0.0, 1.0, np.nan], [2.0, -np.inf, np.inf]
    result = separation(inside, outside, nonfinite="anomalous")
    same = separation([0.0, 1.0, 9.0], [2.0, 9.0, 9.0])
    assert (result.auroc, result.ap_anomaly, result.fpr95) == (same.auroc, same.ap_anomaly, same.fpr95)
    assert (result.nonfinite, result.n_in, result.n_out) == (3, 3, 3)
    assert auroc(inside, outside, nonfinite="anomalous") == same.auroc


@pytest.mark.parametrize("decimals", [0, 8])
def test_roc_curve_is_that_of_scikit_learn_and_has_the_area(decimals: int) -> None:
    random = np.random.default_rng(0)
    inside, outside = (random.normal(shift, 1, size).round(decimals) for shift, size in ((0, 50), (1, 70)))
    false, true = metrics.roc_curve(inside, outside)
    labels = np.repeat([0, 1], [50, 70])
    expected = roc_curve(labels, np.append(inside, outside), drop_intermediate=False)
    np.testing.assert_allclose(false, expected[0])
    np.testing.assert_allclose(true, expected[1])
    assert np.trapezoid(true, false) == pytest.approx(auroc(inside, outside))


def test_roc_curve_counts_scores_that_are_not_finite_as_most_anomalous() -> None:
    false, true = metrics.roc_curve([0.0, np.nan], [1.0, np.inf], nonfinite="anomalous")
    assert (false.tolist(), true.tolist()) == ([0, 0.5, 0.5, 1], [0, 0.5, 1, 1])
