"""Methods on gradients measured by the Fisher information."""

from __future__ import annotations

import numpy as np
import pytest

from anomaly_methods.methods.registry import METHODS, get_method
from anomaly_methods.methods.sources import Source
from anomaly_methods.metrics import auroc
from anomaly_methods.statistics import Statistics
from tests.anomaly_methods.gradient_examples import all_sources, make_gradients, random_norms

KINDS = ("fisher_diagonal", "fisher_kronecker")
NAMES = [name for kind in KINDS for name in (kind, f"{kind}_gaussian")]


def of(name: str, dataset: str, rows: int, seed: int = 0, shift: float = 0.0) -> Statistics:
    (source,) = get_method(name).sources.values()
    return all_sources(dataset, rows, seed, shift)[source]


@pytest.mark.parametrize("kind", KINDS)
def test_total_is_the_sum_over_tensors(kind: str) -> None:
    statistics = make_gradients({"a": [1.0, 2.0], "b": [10.0, 0.0]}, kind=kind)
    method = get_method(kind)
    assert not method.fits
    np.testing.assert_array_equal(method.fit(statistics).score(statistics), [11.0, 2.0])


@pytest.mark.parametrize("kind", KINDS)
def test_gaussian_is_the_density_of_gradient_norms_on_these_values(kind: str) -> None:
    reference, new = random_norms(50), random_norms(20, 1)
    found = get_method(f"{kind}_gaussian").fit(make_gradients(reference, kind=kind))
    expected = get_method("gradients_L2_norms_gaussian").fit(make_gradients(reference))
    scores = found.score(make_gradients(new, kind=kind))
    np.testing.assert_array_equal(scores, expected.score(make_gradients(new)))


@pytest.mark.parametrize("name", NAMES)
def test_larger_values_are_more_anomalous(name: str) -> None:
    scorer = get_method(name).fit(of(name, "in", 200))
    inside, outside = of(name, "more", 200, 1), of(name, "out", 200, 2, 6.0)
    assert auroc(scorer.score(inside), scorer.score(outside)) > 0.9


@pytest.mark.parametrize("name", [f"{kind}_gaussian" for kind in KINDS])
def test_densities_find_smaller_values_too(name: str) -> None:
    scorer = get_method(name).fit(of(name, "in", 200))
    inside, outside = of(name, "more", 200, 1), of(name, "out", 200, 2, -6.0)
    assert auroc(scorer.score(inside), scorer.score(outside)) > 0.8


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_are_seen_in_scores(name: str, value: float) -> None:
    (source,) = get_method(name).sources.values()
    norms = random_norms(3, 1)
    norms["flow.conv.bias"][1] = value
    scorer = get_method(name).fit(of(name, "in", 50))
    scores = scorer.score(make_gradients(norms, kind=source.kind))
    assert list(np.isfinite(scores)) == [True, False, True]


@pytest.mark.parametrize("name", NAMES)
def test_statistics_of_another_kind_are_refused(name: str) -> None:
    (source,) = get_method(name).sources.values()
    other = next(kind for kind in (*KINDS, "gradients") if kind != source.kind)
    with pytest.raises(
        ValueError, match=rf"Method {name} needs {source.kind} statistics, but .* are {other}"
    ):
        get_method(name).fit(make_gradients(random_norms(50), kind=other))


@pytest.mark.parametrize("name", NAMES)
def test_scoring_by_another_fisher_information_is_refused(name: str) -> None:
    (source,) = get_method(name).sources.values()
    one, other = (
        make_gradients(random_norms(50), kind=source.kind, settings={"damping": damping, "fisher": {}})
        for damping in (0.01, 0.1)
    )
    with pytest.raises(ValueError, match=r"settings is \{'damping': 0\.1.* was \{'damping': 0\.01"):
        get_method(name).fit(one).score(other)


def test_they_are_known_and_need_the_specific_model_alone() -> None:
    assert {name for name in METHODS if name.startswith(KINDS)} == set(NAMES)
    for name in NAMES:
        assert list(METHODS[name].sources.values()) == [Source("specific", name.removesuffix("_gaussian"))]
