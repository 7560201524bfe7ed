"""How rare a score is: within the reference, beyond it, and where it cannot be told."""

from __future__ import annotations

import numpy as np
import pytest

from anomaly_methods.methods.tails import UpperTail


def test_within_the_reference_it_is_the_share_at_least_as_high() -> None:
    reference = np.random.default_rng(0).permutation(np.arange(99.0))
    p = np.exp(UpperTail(reference, "m").log_p(np.array([0.0, 49.0, 80.0, -5.0])))
    np.testing.assert_allclose(p, [1.0, 51 / 100, 20 / 100, 1.0])


def test_beyond_nine_tenths_it_falls_by_the_mean_excess() -> None:
    """Of 0 ... 29 the 90 % quantile is 26, which 4 reach and the new score; those above exceed it by 2."""
    log_p = UpperTail(np.arange(30.0), "m").log_p(np.array([26.0, 27.0, 28.5, 40.0]))
    np.testing.assert_allclose(log_p, np.log(5 / 31) - np.array([0.0, 0.5, 1.25, 7.0]))


def test_beyond_the_reference_an_exponential_law_is_found_again() -> None:
    """The tail of an exponential law is -s everywhere, also where 1 in 10^9 of its scores lie."""
    reference = np.random.default_rng(0).exponential(size=50_000)
    scores = np.array([1.0, 3.0, 10.0, 20.0])
    np.testing.assert_allclose(UpperTail(reference, "m").log_p(scores), -scores, rtol=0.03)


def test_it_falls_without_jumps_or_ties() -> None:
    reference = np.random.default_rng(0).normal(size=40)
    scores = np.linspace(reference.min() + 1e-3, 30, 20_000)
    steps = np.diff(UpperTail(reference, "m").log_p(scores))
    assert (steps < 0).all()
    assert steps.min() > -0.1  # the gaps between 40 scores are crossed in lines


def test_uniform_for_what_it_was_made_of() -> None:
    generator = np.random.default_rng(0)
    p = np.exp(UpperTail(generator.normal(size=20_000), "m").log_p(generator.normal(size=20_000)))
    np.testing.assert_allclose(np.quantile(p, [0.01, 0.1, 0.5, 0.9]), [0.01, 0.1, 0.5, 0.9], rtol=0.1)


def test_ties_among_the_highest_scores_leave_a_scale() -> None:
    reference = np.array([0.0] * 10 + [1.0] * 10)
    log_p = UpperTail(reference, "m").log_p(np.array([1.0, 2.0, 3.0]))
    assert np.isfinite(log_p).all()
    assert (np.diff(log_p) < 0).all()


def test_not_finite_scores() -> None:
    log_p = UpperTail(np.arange(20.0), "m").log_p(np.array([np.inf, -np.inf, np.nan]))
    np.testing.assert_array_equal(log_p, [-np.inf, 0.0, np.nan])


def test_equal_scores_are_refused() -> None:
    with pytest.raises(ValueError, match="typicality are the same for all 20 in-distribution groups"):
        UpperTail(np.ones(20), "typicality")
