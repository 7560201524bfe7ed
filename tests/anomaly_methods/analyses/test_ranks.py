"""Spearman's correlation by its definition, over sets and pairs of models."""

from __future__ import annotations

import numpy as np
import pytest

from anomaly_methods.analyses.ranks import rank_correlations
from anomaly_methods.statistics import Statistics
from tests.anomaly_methods.examples import make_statistics


def under(model: str, values: list[float], dataset: str = "cats", **changes: object) -> Statistics:
    fields = {"model": model, "checkpoint_sha256": model * 64, "dataset": dataset, "dataset_sha256": dataset}
    return make_statistics(values, **{**fields, **changes})


def test_it_is_the_correlation_of_the_ranks() -> None:
    """1 - 6 sum d^2 / (n (n^2 - 1)) without ties: ranks 1 2 3 4 against 2 1 3 4."""
    (row,) = rank_correlations(
        {"a": [under("a", [-9.0, -5.0, 1.0, 70.0])], "b": [under("b", [0.2, 0.1, 3.0, 4.0])]}
    )
    assert row.spearman == pytest.approx(1 - 6 * 2 / (4 * 15))
    assert (row.dataset, row.model, row.other, row.n) == ("cats", "a", "b", 4)


def test_any_increasing_map_correlates_perfectly_and_decreasing_inversely() -> None:
    values = np.random.default_rng(0).normal(size=50)
    up, down = under("b", list(np.exp(values))), under("c", list(-(values**3)))
    rows = rank_correlations({"a": [under("a", list(values))], "b": [up], "c": [down]})
    assert [row.spearman for row in rows] == pytest.approx([1.0, -1.0, -1.0])
    assert [(row.model, row.other) for row in rows] == [("a", "b"), ("a", "c"), ("b", "c")]


def test_all_sets_together_are_ranked_as_one() -> None:
    one = [under("a", [1.0, 2.0, 3.0]), under("a", [11.0, 12.0, 13.0], "dogs")]
    other = [under("b", [3.0, 2.0, 1.0]), under("b", [13.0, 12.0, 11.0], "dogs")]
    rows = rank_correlations({"a": one, "b": other})
    assert [(row.dataset, row.n) for row in rows] == [("cats", 3), ("dogs", 3), ("(all)", 6)]
    ranks = 1 - 6 * sum(d * d for d in (2, 0, 2, 2, 0, 2)) / (6 * 35)
    assert [row.spearman for row in rows] == pytest.approx([-1.0, -1.0, ranks])


def test_shares_of_scales_can_be_ranked_too() -> None:
    names = ("log_prob", "log_prob.scale0")
    one = make_statistics({names[0]: [1.0, 2.0, 3.0], names[1]: [3.0, 2.0, 1.0]})
    two = make_statistics({name: [1.0, 2.0, 3.0] for name in names}, checkpoint_sha256="b")
    (row,) = rank_correlations({"a": [one], "b": [two]}, names[1])
    assert row.spearman == pytest.approx(-1.0)


def test_statistics_that_do_not_belong_together_are_refused() -> None:
    cats = under("a", [1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="at least 2 models, got 1"):
        rank_correlations({"a": [cats]})
    with pytest.raises(ValueError, match="same images"):
        rank_correlations({"a": [cats], "b": [under("b", [1.0, 2.0, 3.0], "dogs")]})
    with pytest.raises(ValueError, match="of the same model"):
        rank_correlations({"a": [cats], "b": [cats]})
    with pytest.raises(ValueError, match="a has statistics of 1 sets and b of 0"):
        rank_correlations({"a": [cats], "b": []})


def test_values_without_ranks_are_refused() -> None:
    good = under("b", [1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="1 of 3 images of cats have likelihoods that are NaN or infinite"):
        rank_correlations({"a": [under("a", [1.0, np.nan, 2.0])], "b": [good]})
    with pytest.raises(ValueError, match="at least 3 images that differ"):
        rank_correlations({"a": [under("a", [1.0, 1.0, 1.0])], "b": [good]})
    with pytest.raises(ValueError, match="at least 3 images that differ in likelihood, got 2"):
        rank_correlations({"a": [under("a", [1.0, 2.0])], "b": [under("b", [1.0, 2.0])]})
