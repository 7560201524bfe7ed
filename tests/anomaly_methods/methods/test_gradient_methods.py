"""Each method on gradient norms against its law, and what they do about tensors they cannot use."""

from __future__ import annotations

import logging
import re
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats
from scipy.integrate import quad
from sklearn.covariance import LedoitWolf
from sklearn.ensemble import IsolationForest

from anomaly_methods.methods.gradient_norms import GradientMethod, GradientScorer
from anomaly_methods.methods.gradients_chi_square import log_density_of_log
from anomaly_methods.methods.registry import METHODS, get_method
from anomaly_methods.methods.sources import paired
from anomaly_methods.metrics import auroc
from anomaly_methods.statistics import Statistics
from tests.anomaly_methods.examples import make_statistics
from tests.anomaly_methods.gradient_examples import OTHER, SIZES, make_gradients, random_norms

ONE_MODEL = [name for name in METHODS if name.startswith("gradients_") and "ratio" not in name]
TWO_SIDED = [n for n in ONE_MODEL if n not in ("gradients_L2_norms_naive", "gradients_score_test")]
FITTED = [name for name in ONE_MODEL if name != "gradients_L2_norms_naive"]
ROW = 0.7  # what a norm is multiplied by to make another group of it


def fitted(name: str, reference: Statistics) -> GradientScorer:
    scorer = get_method(name).fit(reference)
    assert isinstance(scorer, GradientScorer)
    return scorer


def matrix(norms: dict[str, NDArray[np.float64]]) -> NDArray[np.float64]:
    return np.log(np.stack(list(norms.values()), axis=1))


def test_gaussian_is_the_product_of_normal_densities() -> None:
    reference, new = random_norms(50, 0), random_norms(20, 1)
    scorer = get_method("gradients_L2_norms_gaussian").fit(make_gradients(reference))
    logs = matrix(reference)
    expected = -stats.norm.logpdf(matrix(new), logs.mean(axis=0), logs.std(axis=0)).sum(axis=1)
    np.testing.assert_allclose(scorer.score(make_gradients(new)), expected)


@pytest.mark.parametrize("freedom", [1.0, 3.0, 400.0])
def test_chi_square_density_of_the_logarithm_integrates_to_one(freedom: float) -> None:
    scale = 0.02

    def density(y: float) -> float:
        arguments = (np.array(value) for value in (y, freedom, np.log(scale)))
        return float(np.exp(log_density_of_log(*arguments)))

    centre, width = np.log(freedom * scale), 10 / np.sqrt(freedom)
    total = quad(density, centre - 6 * width, centre + width, limit=200)[0]
    assert total == pytest.approx(1, abs=1e-8)


def test_chi_square_is_the_law_of_norms_of_normal_gradients() -> None:
    generator = np.random.default_rng(0)
    norms = {name: 3.0 * generator.chisquare(size, 40) for name, size in SIZES.items()}
    statistics = make_gradients(norms)
    scores = get_method("gradients_L2_norms_chi_square").fit(statistics).score(statistics)
    expected = np.zeros(40)
    for name, size in SIZES.items():
        f = norms[name]
        # Maximum likelihood by scipy, which knows the gamma distribution; times f for the logarithm.
        scale = stats.gamma.fit(f, f0=size / 2, floc=0)[2]
        expected -= stats.gamma.logpdf(f, size / 2, scale=scale) + np.log(f)
    np.testing.assert_allclose(scores, expected, rtol=1e-6)


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_chi_square_finds_larger_and_smaller_gradients(factor: float) -> None:
    generator = np.random.default_rng(0)
    reference, inside, outside = (
        make_gradients({name: scale * generator.chisquare(size, 200) for name, size in SIZES.items()})
        for scale in (1.0, 1.0, factor)
    )
    scorer = get_method("gradients_L2_norms_chi_square").fit(reference)
    assert auroc(scorer.score(inside), scorer.score(outside)) > 0.99


def test_fishers_method_is_that_of_scipy() -> None:
    reference, new = random_norms(50, 0), random_norms(5, 1)
    scores = get_method("gradients_L2_norms_fishers_method").fit(make_gradients(reference))
    logs = matrix(reference)
    p_values = 2 * stats.norm.sf(np.abs(matrix(new) - logs.mean(axis=0)) / logs.std(axis=0))
    expected = [stats.combine_pvalues(row, method="fisher").statistic for row in p_values]
    np.testing.assert_allclose(scores.score(make_gradients(new)), expected)


def test_fishers_method_tells_groups_apart_where_p_values_are_zero() -> None:
    reference = random_norms(50)
    far, farther = ({name: f[:1] * factor for name, f in reference.items()} for factor in (1e100, 1e110))
    scorer = get_method("gradients_L2_norms_fishers_method").fit(make_gradients(reference))
    low, high = (scorer.score(make_gradients(norms))[0] for norms in (far, farther))
    assert low < high < np.inf


def test_naive_is_the_sum() -> None:
    norms = make_gradients({"a": [1.0, 2.0], "b": [10.0, 0.0]})
    np.testing.assert_array_equal(get_method("gradients_L2_norms_naive").fit(norms).score(norms), [11.0, 2.0])


@pytest.mark.parametrize("rows", [12, 300])
def test_full_gaussian_is_a_normal_density_with_the_shrunk_covariance(rows: int) -> None:
    sizes = {f"tensor{place}": 1 for place in range(20)}  # more tensors than groups in the first case
    reference, new = random_norms(rows, 0, sizes=sizes), random_norms(9, 1, sizes=sizes)
    method = get_method("gradients_L2_norms_gaussian_full")
    scores = method.fit(make_gradients(reference)).score(make_gradients(new))
    logs = matrix(reference)
    mean, deviation = logs.mean(axis=0), logs.std(axis=0)
    shrunk = LedoitWolf(assume_centered=True).fit((logs - mean) / deviation).covariance_
    covariance = shrunk * np.outer(deviation, deviation)
    np.testing.assert_allclose(scores, -stats.multivariate_normal(mean, covariance).logpdf(matrix(new)))


def test_full_gaussian_finds_what_breaks_a_correlation() -> None:
    generator = np.random.default_rng(0)

    def norms(correlation: float, rows: int = 2000) -> Statistics:
        logs = generator.multivariate_normal([0.0, 0.0], [[1.0, correlation], [correlation, 1.0]], rows)
        return make_gradients({"a": np.exp(logs[:, 0]), "b": np.exp(logs[:, 1])})

    areas = {}
    for name in ("gradients_L2_norms_gaussian", "gradients_L2_norms_gaussian_full"):
        scorer = get_method(name).fit(norms(0.95))
        areas[name] = auroc(scorer.score(norms(0.95)), scorer.score(norms(-0.95)))
    assert areas["gradients_L2_norms_gaussian"] == pytest.approx(0.5, abs=0.03)
    assert areas["gradients_L2_norms_gaussian_full"] > 0.8


@pytest.mark.parametrize("rows", [40, 600])
def test_isolation_forest_has_200_trees_of_at_most_256_groups(rows: int) -> None:
    reference, new = random_norms(rows, 0), random_norms(5, 1)
    scorer = get_method("gradients_L2_norms_isolation_forest").fit(make_gradients(reference))
    forest = IsolationForest(n_estimators=200, max_samples=min(rows, 256), random_state=0)
    expected = -forest.fit(matrix(reference)).score_samples(matrix(new))
    np.testing.assert_allclose(scorer.score(make_gradients(new)), expected)
    assert ((expected > 0) & (expected < 1)).all()


def test_score_test_is_its_formula_and_raos_statistic() -> None:
    norms = make_gradients({"a": [*[2.0, 4.0] * 5], "b": [*[1.0, 5.0] * 5]}, {"a": 10, "b": 30})
    scores = get_method("gradients_score_test").fit(norms).score(norms)
    np.testing.assert_allclose(scores[:2], [(10 * 2 / 3 + 30 * 1 / 3) / 40, (10 * 4 / 3 + 30 * 5 / 3) / 40])
    assert scores.mean() == pytest.approx(1)


def test_ratio_is_the_gaussian_of_the_quotients() -> None:
    specific, general, new = random_norms(50, 0), random_norms(50, 1), random_norms(20, 2)

    def pair(one: dict[str, NDArray[np.float64]], two: dict[str, NDArray[np.float64]]) -> Statistics:
        return paired(make_gradients(one), make_gradients(two, checkpoint_sha256=OTHER))

    quotients = {name: specific[name] / general[name] for name in specific}
    ones = {name: np.ones(20) for name in new}
    found = get_method("gradients_ratio_gaussian").fit(pair(specific, general)).score(pair(new, ones))
    expected = get_method("gradients_L2_norms_gaussian").fit(make_gradients(quotients))
    np.testing.assert_allclose(found, expected.score(make_gradients(new)))


def test_ratio_needs_the_same_tensors() -> None:
    both = random_norms(20)
    fewer = {name: values for name, values in both.items() if "bias" not in name}
    pair = paired(make_gradients(both), make_gradients(fewer, checkpoint_sha256=OTHER))
    with pytest.raises(ValueError, match=r"specific one has 4 and the general one 3.*flow\.conv\.bias"):
        get_method("gradients_ratio_gaussian").fit(pair)


@pytest.mark.parametrize("name", [n for n in ONE_MODEL if "chi" not in n])
def test_larger_gradients_are_more_anomalous(name: str) -> None:
    inside, outside = make_gradients(random_norms(400, 1)), make_gradients(random_norms(400, 2, shift=6.0))
    scorer = get_method(name).fit(make_gradients(random_norms(400, 0)))
    assert auroc(scorer.score(inside), scorer.score(outside)) > 0.9


@pytest.mark.parametrize("name", [n for n in TWO_SIDED if "chi" not in n])
def test_densities_find_smaller_gradients_too(name: str) -> None:
    inside, outside = make_gradients(random_norms(400, 1)), make_gradients(random_norms(400, 2, shift=-6.0))
    scorer = get_method(name).fit(make_gradients(random_norms(400, 0)))
    assert auroc(scorer.score(inside), scorer.score(outside)) > 0.8


@pytest.mark.parametrize("name", FITTED)
def test_tensors_that_tell_nothing_are_dropped_and_counted(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    useful = random_norms(40)
    constant = 5.0 * (1 + 1e-6 * np.random.default_rng(1).normal(size=40))  # rounding of float32
    zero_once = np.where(np.arange(40) == 7, 0.0, 1.5 + np.arange(40))
    extra = {"constant": constant, "zero": np.zeros(40), "zero_once": zero_once}
    with caplog.at_level(logging.INFO):
        scorer = fitted(name, make_gradients({**extra, **useful}))
    assert scorer.tensors.constant == ("constant",)
    assert scorer.tensors.vanishing == ("zero", "zero_once")
    assert (scorer.tensors.kept, scorer.dropped) == (tuple(useful), 3)
    assert f"{name}: 3 of 7 tensors dropped (1 constant, 2 with a gradient of zero)" in caplog.text
    new = {**{n: v * ROW for n, v in extra.items()}, **random_norms(40, 3)}
    expected = fitted(name, make_gradients(useful)).score(make_gradients(random_norms(40, 3)))
    np.testing.assert_allclose(scorer.score(make_gradients(new)), expected)


@pytest.mark.parametrize("name", FITTED)
def test_tensors_are_told_by_their_names_not_their_order(name: str) -> None:
    scorer, new = fitted(name, make_gradients(random_norms(40))), random_norms(40, 3)
    turned = make_gradients(dict(reversed(new.items())))
    np.testing.assert_allclose(scorer.score(turned), scorer.score(make_gradients(new)))


@pytest.mark.parametrize("name", FITTED)
def test_a_reference_in_which_nothing_varies_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"nothing to learn from: 1 of 1 tensors dropped \(1 constant"):
        get_method(name).fit(make_gradients({"a": np.ones(20)}))


@pytest.mark.parametrize("name", FITTED)
def test_too_few_groups_are_refused_with_both_numbers(name: str) -> None:
    with pytest.raises(ValueError, match=rf"{name} fits on at least 10 groups .* got 9 \(of 'cats'\)"):
        get_method(name).fit(make_gradients(random_norms(9)))
    scorer = get_method(name).fit(make_gradients(random_norms(10)))
    assert np.isfinite(scorer.score(make_gradients(random_norms(3, 1)))).all()


@pytest.mark.parametrize("name", FITTED)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nonfinite_gradients_are_refused_to_fit_and_seen_in_scores(name: str, value: float) -> None:
    norms, bad = random_norms(20), random_norms(3, 1)
    bad["flow.conv.bias"][1] = value
    scores = get_method(name).fit(make_gradients(norms)).score(make_gradients(bad))
    assert list(np.isfinite(scores)) == [True, False, True]
    norms["flow.conv.bias"][[3, 4]] = value
    with pytest.raises(ValueError, match=r"'flow\.conv\.bias', but 2 of 20 are NaN or infinite"):
        get_method(name).fit(make_gradients(norms))


def test_negative_squared_norms_are_refused() -> None:
    with pytest.raises(ValueError, match=r"at least 0, but 'a' holds -1\.0"):
        get_method("gradients_L2_norms_gaussian").fit(make_gradients({"a": np.arange(-1.0, 20.0)}))


@pytest.mark.parametrize("name", ONE_MODEL)
def test_other_statistics_than_gradients_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=rf"{name} needs gradients statistics, .* are likelihood"):
        get_method(name).fit(make_statistics(np.arange(30.0)))


@pytest.mark.parametrize("name", ONE_MODEL)
@pytest.mark.parametrize(
    ("field", "value"), [("group_size", 5), ("extractor_version", 2), ("checkpoint_sha256", OTHER)]
)
def test_scoring_gradients_of_another_making_is_refused(name: str, field: str, value: Any) -> None:
    scorer = get_method(name).fit(make_gradients(random_norms(20)))
    other = make_gradients(random_norms(5), **{field: value})
    with pytest.raises(ValueError, match=field) as caught:
        scorer.score(other)
    assert repr(value) in str(caught.value)
    assert repr(getattr(scorer.reference, field)) in str(caught.value)


def test_missing_tensors_are_named() -> None:
    scorer = get_method("gradients_L2_norms_gaussian").fit(make_gradients(random_norms(20)))
    fewer = random_norms(5)
    del fewer["flow.conv.bias"]
    with pytest.raises(ValueError, match=re.escape("no gradients of 1 tensors")):
        scorer.score(make_gradients(fewer))


@pytest.mark.parametrize("name", ["gradients_L2_norms_chi_square", "gradients_score_test"])
def test_sizes_of_tensors_must_be_known(name: str) -> None:
    with pytest.raises(ValueError, match=r"how many parameters each .* lack 'flow\.conv\.weight'"):
        get_method(name).fit(make_gradients(random_norms(20), details={}))


@pytest.mark.parametrize("name", ["gradients_L2_norms_svm", "gradients_L2_norms_isolation_forest"])
def test_learned_boundaries_are_the_same_every_time(name: str) -> None:
    reference, new = make_gradients(random_norms(60)), make_gradients(random_norms(10, 1))
    first, second = (get_method(name).fit(reference).score(new) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_svm_leaves_a_tenth_of_its_reference_outside_also_beyond_its_limit() -> None:
    for rows in (1000, 4000):
        reference = make_gradients(random_norms(rows))
        outside = np.mean(get_method("gradients_L2_norms_svm").fit(reference).score(reference) > 0)
        assert outside == pytest.approx(0.1, abs=0.03)


def test_every_gradient_method_is_tried_here() -> None:
    learned = {n for n, m in METHODS.items() if isinstance(m, GradientMethod)}
    of_fisher = {"fisher_diagonal_gaussian", "fisher_kronecker_gaussian"}  # test_fisher_methods.py
    assert learned == {*FITTED, "gradients_ratio_gaussian", *of_fisher}
