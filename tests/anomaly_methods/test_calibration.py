"""p-values and thresholds that hold: exactly by counting, and as rates over drawn images."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import binom

from anomaly_methods.calibration import (
    CalibratedMethods,
    calibrate,
    conformal_p_values,
    conformal_threshold,
    least_calibration,
)
from anomaly_methods.methods.registry import METHODS, get_method
from anomaly_methods.methods.sources import (
    SPECIFIC_GRADIENTS,
    SPECIFIC_LIKELIHOOD,
    SourceStatistics,
    assemble,
    likelihoods,
)
from anomaly_methods.methods.tails import UpperTail
from tests.anomaly_methods.examples import make_statistics
from tests.anomaly_methods.gradient_examples import all_sources

RATES = (0.01, 0.05, 0.1)


@pytest.fixture(scope="module")
def calibrated() -> CalibratedMethods:
    return calibrate(list(METHODS.values()), all_sources("in", 8000), seed=3)


def plain(values: NDArray[np.float64], name: str = "in") -> SourceStatistics:
    return likelihoods(make_statistics(values, dataset=name, dataset_sha256=name))


def within_binomial(flags: NDArray[np.bool_], rate: float) -> bool:
    low, high = binom.interval(0.99, len(flags), rate)
    return bool(low <= flags.sum() <= high)


def test_p_values_count_the_calibration_scores_at_least_as_high() -> None:
    p = conformal_p_values([3.0, 1.0, 2.0, 2.0], [0.0, 1.0, 2.0, 2.5, 3.0, 9.0])
    np.testing.assert_allclose(p, [1.0, 1.0, 0.8, 0.4, 0.4, 0.2])


@pytest.mark.parametrize("rate", RATES)
def test_a_new_image_is_flagged_at_exactly_the_rate(rate: float) -> None:
    """Over drawn calibration sets of 99 and one new image each: that is what the p-value promises."""
    draws = np.random.default_rng(0).standard_t(2, size=(5000, 100))
    flags = np.array([conformal_p_values(row[:99], row[99:])[0] <= rate for row in draws])
    assert within_binomial(flags, rate)


def test_a_new_image_is_flagged_by_two_methods_at_exactly_the_rate() -> None:
    """Over drawn sets of 60, of which 30 are held out: the combined p-value promises the same."""
    methods = [get_method(name) for name in ("raw_likelihood", "typicality")]
    generator, rate = np.random.default_rng(0), 3 / 31
    flags = []
    for _ in range(1000):
        images = generator.standard_t(3, size=61)
        found = calibrate(methods, plain(images[:60])).detect(plain(images[60:], "new"))
        flags.append(found.combined[0] <= rate)
    assert within_binomial(np.array(flags), rate)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("method", [*METHODS, "combined p-value"])
def test_realised_rate_on_other_in_distribution_images(
    calibrated: CalibratedMethods, method: str, rate: float
) -> None:
    found = calibrated.detect(all_sources("more", 1000, seed=7))
    p_values = found.combined if method == "combined p-value" else found.p_values[method]
    assert within_binomial(p_values <= rate, rate)


def test_anomalies_are_flagged(calibrated: CalibratedMethods) -> None:
    found = calibrated.detect(all_sources("out", 300, seed=8, shift=4.0))
    assert calibrated.flagged(found, 0.05).mean() > 0.9


def test_combined_p_value_does_not_depend_on_the_pieces(calibrated: CalibratedMethods) -> None:
    images = all_sources("more", 20, seed=9)
    whole = calibrated.detect(images).combined
    pieces = [
        calibrated.detect({source: part.select(rows) for source, part in images.items()}).combined
        for rows in (list(range(3)), list(range(3, 20)))
    ]
    np.testing.assert_array_equal(np.concatenate(pieces), whole)


def test_combined_p_value_never_rises_with_the_statistic(calibrated: CalibratedMethods) -> None:
    found = calibrated.detect(all_sources("more", 200, seed=10, shift=1.0))
    in_order = found.combined[np.argsort(-found.statistic)]
    assert (np.diff(in_order) >= 0).all()
    assert len(np.unique(found.statistic)) > len(np.unique(in_order))


def test_the_statistic_is_minus_the_sum_of_the_log_tails_of_the_half_fitted_on(
    calibrated: CalibratedMethods,
) -> None:
    inside, new = all_sources("in", 8000), all_sources("more", 20, seed=9)
    expected = np.zeros(20)
    for name, method in METHODS.items():
        tail = UpperTail(calibrated.scorers[name].score(assemble(method.sources, inside).halves(3)[0]), name)
        expected -= tail.log_p(calibrated.scorers[name].score(assemble(method.sources, new)))
    np.testing.assert_allclose(calibrated.detect(new).statistic, expected)


def test_a_p_value_of_exactly_the_rate_is_flagged() -> None:
    """With 20 held out, what is higher than all has a p-value of 1/21."""
    one = calibrate([get_method("raw_likelihood")], plain(np.arange(40.0)))
    found = one.detect(plain(np.array([-1.0, 100.0]), "new"))
    assert one.flagged(found, 1 / 21).tolist() == [True, False]


def test_combined_p_value_of_one_method_is_its_own() -> None:
    one = calibrate([get_method("raw_likelihood")], all_sources("in", 400))
    found = one.detect(all_sources("more", 50, seed=1, shift=1.0))
    np.testing.assert_array_equal(found.combined, found.p_values["raw_likelihood"])


@pytest.mark.parametrize(
    "rate", [0.003, 0.01, 0.05, 0.07, 0.1, 0.29, np.nextafter(0.58, 0), 1 / 3, 0.999, 1.0]
)
@pytest.mark.parametrize("groups", [19, 99, 333, 1000])
def test_threshold_says_the_same_as_the_p_value(rate: float, groups: int) -> None:
    generator = np.random.default_rng(groups)
    calibration, scores = (generator.integers(0, 300, size=n) / 7 for n in (groups, 2000))  # with ties
    if groups < least_calibration(rate):
        with pytest.raises(ValueError, match=f"at least {least_calibration(rate)} .* there are {groups}"):
            conformal_threshold(calibration, rate)
        return
    flagged = scores >= conformal_threshold(calibration, rate)
    np.testing.assert_array_equal(flagged, conformal_p_values(calibration, scores) <= rate)


def test_threshold_leaves_as_many_above_as_the_rate_says() -> None:
    """Of 0 .. 98, p <= 0.29 for scores above 70, which 28 reach; 0.29 * 100 < 29 in floats."""
    assert conformal_threshold(np.arange(99.0), 0.29) == np.nextafter(70.0, 71.0)


@pytest.mark.parametrize(
    ("rate", "least"), [(0.05, 19), (0.01, 99), (0.003, 333), (0.1, 9), (0.6, 1), (1, 1)]
)
def test_least_calibration_is_the_first_number_that_resolves_the_rate(rate: float, least: int) -> None:
    assert least_calibration(rate) == least
    assert 1 / (least + 1) <= rate
    assert least == 1 or 1 / least > rate


def test_a_rate_too_low_for_the_images_is_refused_with_both_numbers() -> None:
    few = calibrate([get_method("typicality")], all_sources("in", 40))
    found = few.detect(all_sources("more", 5))
    assert few.groups == 20
    for refused in (lambda: few.threshold("typicality", 0.01), lambda: few.flagged(found, 0.01)):
        with pytest.raises(
            ValueError, match=r"0\.01 needs at least 99 .* but there are 20: .* at least 1/21"
        ):
            refused()
    assert few.flagged(found, 0.05).shape == (5,)


@pytest.mark.parametrize("rate", [0.0, -0.1, 1.1, float("nan")])
def test_impossible_rates_are_refused(rate: float) -> None:
    with pytest.raises(ValueError, match=r"must be in \(0, 1\]"):
        conformal_threshold(np.arange(100.0), rate)


def test_thresholds_know_their_methods() -> None:
    few = calibrate([get_method("typicality")], all_sources("in", 40))
    images = all_sources("more", 50, seed=1)
    found = few.detect(images)
    flagged = found.scores["typicality"] >= few.threshold("typicality", 0.1)
    np.testing.assert_array_equal(flagged, found.p_values["typicality"] <= 0.1)
    with pytest.raises(ValueError, match="'combined' is not calibrated, but typicality are"):
        few.threshold("combined", 0.1)


def test_methods_are_fitted_on_one_half_and_calibrated_on_the_other() -> None:
    inside = all_sources("in", 40)
    fit, held_out = inside[SPECIFIC_GRADIENTS].halves(5)
    scorer = get_method("gradients_L2_norms_gaussian").fit(fit)
    found = calibrate([get_method("gradients_L2_norms_gaussian")], inside, seed=5)
    np.testing.assert_array_equal(found.calibration["gradients_L2_norms_gaussian"], scorer.score(held_out))


def test_nonfinite_scores_are_refused_or_the_most_anomalous() -> None:
    values = np.random.default_rng(0).normal(size=200)
    values[[3, 40, 90]] = [np.nan, np.inf, -np.inf]
    methods = [get_method(name) for name in ("raw_likelihood", "typicality")]
    with pytest.raises(ValueError, match="are NaN or infinite"):
        calibrate(methods, plain(values))
    found = calibrate(methods, plain(values), nonfinite="anomalous")
    new = plain(np.array([np.nan, np.inf, -np.inf, -1e9, 0.0]), "new")
    detection = found.detect(new)
    lowest = (1 + np.count_nonzero(~np.isfinite(found.calibration["typicality"]))) / (found.groups + 1)
    for p_values in (*detection.p_values.values(), detection.combined):
        np.testing.assert_allclose(p_values[:3], lowest)
        assert (p_values[3:] >= lowest).all()
    alone = calibrate(methods[:1], plain(values), nonfinite="anomalous").detect(new)
    np.testing.assert_array_equal(alone.combined, alone.p_values["raw_likelihood"])
    places = found.groups + 1
    found.require_rate(lowest + 1e-9)
    with pytest.raises(ValueError, match=rf"of {found.groups} calibration scores are not finite"):
        found.require_rate(lowest - 1 / (2 * places))
    with pytest.raises(ValueError, match=r"3 of 5 new scores are NaN or infinite"):
        calibrate(methods, plain(np.random.default_rng(0).normal(size=200))).detect(new)


def test_nonfinite_calibration_scores_can_leave_no_threshold() -> None:
    scores = np.r_[np.arange(97.0), np.nan, np.inf]
    with pytest.raises(ValueError, match=r"2 of 99 calibration scores are not finite: more than .* 0\.02"):
        conformal_threshold(scores, 0.02, nonfinite="anomalous")
    assert 96 < conformal_threshold(scores, 0.03, nonfinite="anomalous") < 96.1


def test_too_few_images_are_refused_with_both_numbers() -> None:
    with pytest.raises(ValueError, match=r"raw_likelihood, calibrated, .* at least 20 .* got 19"):
        calibrate([get_method("raw_likelihood")], all_sources("in", 19))
    with pytest.raises(ValueError, match="at least one in-distribution score"):
        conformal_p_values([], [1.0])


def test_no_method_and_scores_of_a_wrong_shape_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one method"):
        calibrate([], all_sources("in", 40))
    with pytest.raises(ValueError, match=r"new scores of shape \(1, 1\)"):
        conformal_p_values([1.0], [[1.0]])


def test_methods_must_be_calibrated_on_the_same_images() -> None:
    mixed = all_sources("in", 40)
    mixed[SPECIFIC_LIKELIHOOD] = make_statistics(np.arange(44.0), dataset="dogs")
    with pytest.raises(
        ValueError, match=r"raw_likelihood has 22 rows held out of 'dogs' and gradients.* 20 of"
    ):
        calibrate([get_method("raw_likelihood"), get_method("gradients_L2_norms_svm")], mixed)


def test_new_images_of_another_model_are_refused(calibrated: CalibratedMethods) -> None:
    images = all_sources("more", 10, extractor_version=9)
    with pytest.raises(ValueError, match=r"extractor_version is 9 .* was 1"):
        calibrated.detect(images)


def test_one_method_names_and_plain_statistics_are_refused() -> None:
    method, statistics = get_method("typicality"), make_statistics(np.arange(60.0))
    wrong: list[tuple[Any, Any, str]] = [
        (method, likelihoods(statistics), "takes a list of methods"),
        (["typicality"], likelihoods(statistics), "takes a list of methods"),
        ([method], statistics, "takes statistics by source, .* but got Statistics"),
    ]
    for methods, known, words in wrong:
        with pytest.raises(ValueError, match=words):
            calibrate(methods, known)
