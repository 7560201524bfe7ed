"""Combined methods against Fisher's sum made by hand; what they refuse."""

from __future__ import annotations

import numpy as np
import pytest

from anomaly_methods.methods.fishers_combination import CombinationScorer, FishersCombination
from anomaly_methods.methods.registry import METHODS, get_method
from anomaly_methods.methods.sources import (
    SPECIFIC_GRADIENTS,
    SPECIFIC_LIKELIHOOD,
    SourceStatistics,
    assemble,
    taken_apart,
)
from anomaly_methods.methods.tails import UpperTail
from anomaly_methods.metrics import auroc
from anomaly_methods.statistics import Statistics
from tests.anomaly_methods.examples import make_statistics
from tests.anomaly_methods.gradient_examples import OTHER, all_sources, make_gradients, random_norms

COMBINED = ("fisher_typicality", "combined_without_gradients", "combined")
MEMBERS = {
    "fisher_typicality": ["typicality", "gradients_score_test"],
    "combined_without_gradients": ["likelihood_ratio", "last_scale_ratio", "typicality"],
    "combined": ["likelihood_ratio", "last_scale_ratio", "typicality", "gradients_L2_norms_gaussian"],
}


def of(name: str, available: SourceStatistics) -> Statistics:
    return assemble(get_method(name).sources, available)


@pytest.mark.parametrize("name", COMBINED)
def test_score_is_fishers_sum_over_members_fitted_and_ranked_on_two_halves(name: str) -> None:
    reference, new = all_sources("in", 100), all_sources("new", 30, seed=1)
    expected = np.zeros(30)
    for member in MEMBERS[name]:
        first, second = of(member, reference).halves()
        scorer = get_method(member).fit(first)
        expected -= 2 * UpperTail(scorer.score(second), member).log_p(scorer.score(of(member, new)))
    scorer = get_method(name).fit(of(name, reference))
    assert isinstance(scorer, CombinationScorer)
    assert list(scorer.members) == MEMBERS[name]
    np.testing.assert_allclose(scorer.score(of(name, new)), expected)


@pytest.mark.parametrize("name", COMBINED)
def test_in_distribution_scores_have_fishers_mean_and_anomalies_stand_out(name: str) -> None:
    """Each -2 log p has mean 2 where p is uniform, whatever the members' dependence."""
    scorer = get_method(name).fit(of(name, all_sources("in", 4000)))
    inside = scorer.score(of(name, all_sources("more", 2000, seed=1)))
    outside = scorer.score(of(name, all_sources("out", 2000, seed=2, shift=3.0)))
    assert inside.mean() == pytest.approx(2 * len(MEMBERS[name]), rel=0.07)
    assert auroc(inside, outside) > 0.9


def test_one_sure_member_suffices() -> None:
    scorer = get_method("fisher_typicality").fit(of("fisher_typicality", all_sources("in", 1000)))
    inside = all_sources("more", 500, seed=1)
    outside = {**inside, SPECIFIC_GRADIENTS: make_gradients(random_norms(500, 2, 9.0), dataset_sha256="more")}
    scores = [scorer.score(of("fisher_typicality", part)) for part in (inside, outside)]
    assert auroc(*scores) > 0.95


def test_the_combination_without_gradients_says_so_in_its_name() -> None:
    likelihoods = {s: v for s, v in all_sources("in", 60).items() if s.kind == "likelihood"}
    assert get_method("combined_without_gradients").unmet(likelihoods) is None
    lack = get_method("combined").unmet(likelihoods)
    assert lack == "Method combined needs gradients statistics of the specific model, but got none."


@pytest.mark.parametrize("name", COMBINED)
def test_too_few_groups_are_refused_with_both_numbers(name: str) -> None:
    with pytest.raises(ValueError, match=rf"{name} fits on at least 20 groups .* got 19 "):
        get_method(name).fit(of(name, all_sources("in", 19)))


def test_a_member_that_lacks_something_is_named() -> None:
    one = make_statistics(np.arange(40.0))
    two = make_statistics(np.arange(40.0), checkpoint_sha256=OTHER)
    available = {SPECIFIC_LIKELIHOOD: one, SPECIFIC_LIKELIHOOD._replace(role="general"): two}
    lack = get_method("combined_without_gradients").unmet(available)
    assert lack is not None
    assert "combines several: Method last_scale_ratio needs likelihood statistics of two multi-scale" in lack


def test_statistics_joined_otherwise_are_refused() -> None:
    with pytest.raises(ValueError, match="fisher_typicality needs statistics joined of likelihood of the "):
        get_method("fisher_typicality").fit(make_statistics(np.arange(40.0)))
    pair = of("likelihood_ratio", all_sources("in", 40))
    with pytest.raises(ValueError, match="gradients of the specific model, but got specific, general"):
        get_method("fisher_typicality").fit(pair)
    with pytest.raises(
        ValueError, match=r"joined of \['specific', 'specific_gradients'\].*these join \['gen"
    ):
        taken_apart(pair, get_method("fisher_typicality").sources)


def test_scoring_gradients_of_another_making_is_refused() -> None:
    scorer = get_method("combined").fit(of("combined", all_sources("in", 60)))
    other = all_sources("out", 10)
    other[SPECIFIC_GRADIENTS] = make_gradients(random_norms(10), extractor_version=2, dataset_sha256="out")
    with pytest.raises(ValueError, match=r"extractor_version is 2 .* was 1"):
        scorer.score(of("combined", other))


def test_parts_come_out_as_they_went_in() -> None:
    available = all_sources("in", 7)
    parts = taken_apart(of("combined", available), get_method("combined").sources)
    assert set(parts) < set(available)
    for source, part in parts.items():
        assert part.meta == available[source].meta
        assert list(part.values) == list(available[source].values)
    alone = taken_apart(available[SPECIFIC_GRADIENTS], {"specific": SPECIFIC_GRADIENTS})
    assert alone[SPECIFIC_GRADIENTS] is available[SPECIFIC_GRADIENTS]


def test_every_combination_is_tried_here() -> None:
    assert set(COMBINED) == {n for n, m in METHODS.items() if isinstance(m, FishersCombination)}
