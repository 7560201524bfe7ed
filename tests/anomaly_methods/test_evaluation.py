"""From statistics to the rows of a table."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import ndtr

from anomaly_methods.evaluation import evaluate, score_sets
from anomaly_methods.methods.registry import METHODS, get_method
from anomaly_methods.methods.sources import SourceStatistics, likelihoods
from anomaly_methods.metrics import auroc, separation
from tests.anomaly_methods.examples import make_statistics
from tests.anomaly_methods.gradient_examples import all_sources

RAW, TYPICALITY, RATIO = (get_method(n) for n in ("raw_likelihood", "typicality", "likelihood_ratio"))


def images(log_probs: NDArray[np.float64], name: str, **changes: object) -> SourceStatistics:
    return likelihoods(make_statistics(log_probs, dataset=name, dataset_sha256=name, **changes))


def normals(mean: float, name: str, n: int = 4000, **changes: object) -> SourceStatistics:
    generator = np.random.default_rng(len(name))
    return images(generator.normal(mean, size=n), name, **changes)


def test_rows_come_by_method_and_set_with_the_known_areas() -> None:
    rows = evaluate([RAW, TYPICALITY], normals(0, "in"), [normals(-1, "low"), normals(2, "high!")])
    assert [(row.method, row.out_of_distribution) for row in rows] == [
        ("raw_likelihood", "low"),
        ("raw_likelihood", "high!"),
        ("typicality", "low"),
        ("typicality", "high!"),
    ]
    assert rows[0].separation.auroc == pytest.approx(ndtr(1 / np.sqrt(2)), abs=0.015)
    assert rows[1].separation.auroc == pytest.approx(ndtr(-2 / np.sqrt(2)), abs=0.015)
    assert rows[3].separation.auroc > 0.8
    assert all(row.separation.auroc_low < row.separation.auroc < row.separation.auroc_high for row in rows)


def test_a_method_that_fits_is_tested_on_the_other_half() -> None:
    raw, typicality = evaluate([RAW, TYPICALITY], normals(0, "in", 101), [normals(1, "out", 50)])
    assert (raw.separation.n_in, typicality.separation.n_in) == (101, 51)
    assert raw.separation.n_out == typicality.separation.n_out == 50


def test_halves_are_those_of_the_seed() -> None:
    inside, outside = normals(0, "in", 200), normals(1, "out", 200)
    fit, test = next(iter(inside.values())).halves(3)
    scorer = TYPICALITY.fit(fit)
    expected = auroc(scorer.score(test), scorer.score(next(iter(outside.values()))))
    (row,) = evaluate([TYPICALITY], inside, [outside], seed=3)
    assert row.separation.auroc == expected


def test_the_interval_is_that_of_the_seed() -> None:
    inside, outside = normals(0, "in", 50), normals(1, "out", 50)
    rows = [evaluate([RAW], inside, [outside], seed=seed, resamples=40)[0] for seed in (3, 4)]
    scores = [RAW.fit(part).score(part) for available in (inside, outside) for part in available.values()]
    expected = separation(*scores, seed=3, resamples=40)
    assert rows[0].separation == expected
    assert rows[1].separation != expected


def test_a_reference_leaves_the_whole_test_set() -> None:
    (row,) = evaluate(
        [TYPICALITY],
        normals(0, "in", 100),
        [normals(1, "out", 50)],
        in_reference=normals(0, "in-train", 70, split="train"),
    )
    assert row.separation.n_in == 100


def test_testing_on_what_was_fitted_is_refused() -> None:
    inside, outside = normals(0, "in", 100), normals(1, "out", 50)
    with pytest.raises(ValueError, match="100 of 100 rows of 'in'"):
        evaluate([TYPICALITY], inside, [outside], in_reference=inside)
    assert len(evaluate([RAW], inside, [outside], in_reference=inside)) == 1


def test_ratio_rows_name_both_models_and_bounds() -> None:
    def both(name: str) -> SourceStatistics:
        specific = make_statistics([1.0, 2.0], dataset=name)
        general = make_statistics([3.0, 1.0], dataset=name, checkpoint_sha256="b", model="g", bound="elbo")
        return likelihoods(specific, general)

    (row,) = evaluate([RATIO], both("in"), [both("out")], resamples=10)
    assert (row.model, row.general_model, row.bound) == ("runs/specific", "g", "elbo/exact")
    with pytest.raises(ValueError, match="likelihood statistics of the general model"):
        evaluate([RATIO], normals(0, "in", 2), [both("out")])


def test_nonfinite_values_are_refused_or_counted() -> None:
    inside = images(np.array([0.0, 1.0, np.nan, 2.0, 1.5, 0.5]), "in")
    outside = images(np.array([np.inf, 9.0]), "out")
    for method in (RAW, TYPICALITY):
        with pytest.raises(ValueError, match="NaN or infinite"):
            evaluate([method], inside, [outside], seed=1)
    rows = evaluate([RAW, TYPICALITY], inside, [outside], nonfinite="anomalous", seed=1)
    assert rows[0].separation.nonfinite == 2
    assert rows[1].separation.n_in == 3


def test_every_registered_method_goes_through() -> None:
    rows = evaluate(
        list(METHODS.values()), all_sources("in", 60), [all_sources("out", 30, seed=1)], resamples=10
    )
    assert [row.method for row in rows] == list(METHODS)
    assert {row.separation.nonfinite for row in rows} == {0}


def test_scores_come_with_their_metas() -> None:
    inside, outside = score_sets(RAW, normals(0, "in", 5), [normals(1, "out", 4)])
    assert (len(inside.scores), inside.meta.dataset) == (5, "in")
    assert (len(outside.scores), outside.meta.dataset) == (4, "out")


def test_what_is_no_list_of_methods_or_of_sets_is_refused() -> None:
    inside, method = normals(0, "in", 20), get_method("typicality")
    statistics = next(iter(inside.values()))
    wrong: list[tuple[Any, Any, Any]] = [(method, inside, [inside]), (["typicality"], inside, [inside])]
    for methods, known, others in wrong:
        with pytest.raises(ValueError, match="takes a list of methods"):
            evaluate(methods, known, others)
    for known, others in ((statistics, [inside]), (inside, inside), (inside, [statistics])):
        with pytest.raises(ValueError, match="statistics by source, as likelihoods"):
            evaluate([method], known, others)  # type: ignore[arg-type]


def test_methods_refuse_statistics_by_source() -> None:
    inside, method = normals(0, "in", 20), get_method("typicality")
    with pytest.raises(ValueError, match=r"fit and score take Statistics, but got dict: .*assemble\("):
        method.fit(inside)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="fit and score take Statistics, but got dict"):
        method.fit(next(iter(inside.values()))).score(inside)  # type: ignore[arg-type]
