"""What likelihoods are called: bits where they are, bounds where they are bounds, and surrogates."""

from __future__ import annotations

import math

import pytest

from anomaly_methods.statistics import Statistics
from plots.bounds import difference_axis, likelihood_axis, scored
from plots.likelihood_histograms import likelihood_panels
from tests.anomaly_methods.examples import make_meta, make_statistics

HOW = {"exact": "", "elbo": "importance-weighted, 8 codes", "surrogate": "timestep 16 of 1000, 2 noises"}


def named(bound: str, dataset: str = "cats", **changes: str) -> Statistics:
    return make_statistics([-10.0, -20.0], bound=bound, evaluation=HOW[bound], dataset=dataset, **changes)


@pytest.mark.parametrize(
    ("bound", "axis"),
    [
        ("exact", "bits per dimension"),
        ("elbo", "bits per dimension (upper bound, ELBO: importance-weighted, 8 codes)"),
        ("surrogate", "loss (surrogate, no likelihood: timestep 16 of 1000, 2 noises)"),
    ],
)
def test_an_axis_says_what_the_numbers_are(bound: str, axis: str) -> None:
    assert likelihood_axis(named(bound).meta) == axis
    (panel,) = likelihood_panels([named(bound), named(bound, "dogs")])
    assert panel.axis == axis


def test_only_likelihoods_become_bits() -> None:
    dimensions = math.prod(make_meta().image_shape)
    expected = [8 + value / (dimensions * math.log(2)) for value in (10, 20)]
    assert scored(named("exact")).tolist() == scored(named("elbo")).tolist() == pytest.approx(expected)
    assert scored(named("surrogate")).tolist() == [10.0, 20.0]


def test_differences_of_bounds_say_so_and_those_of_a_surrogate_from_a_likelihood_are_refused() -> None:
    exact, elbo, surrogate = (named(bound).meta for bound in HOW)
    assert difference_axis(exact, exact) == "bits per dimension"
    assert difference_axis(elbo, exact) == "bits per dimension (an upper bound, ELBO, minus exact)"
    assert "surrogate, no likelihood" in difference_axis(surrogate, surrogate)
    with pytest.raises(ValueError, match=r"no unit in common: .* is 'exact' and .* is 'surrogate'"):
        difference_axis(exact, surrogate)
    with pytest.raises(ValueError, match="no unit in common"):
        likelihood_panels(
            [named("surrogate"), named("surrogate", "dogs")],
            [named("exact", model="g"), named("exact", "dogs", model="g")],
        )
