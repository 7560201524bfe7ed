"""From statistics to a table: fit every method, score in- and out-of-distribution sets, measure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from anomaly_methods.methods.base import AnomalyMethod, require_methods
from anomaly_methods.methods.sources import SourceStatistics, assemble
from anomaly_methods.metrics import NonFinite, Separation, separation
from anomaly_methods.statistics import Statistics, StatisticsMeta
from anomaly_methods.table import Row

__all__ = ["Scored", "evaluate", "score_sets"]


class Scored(NamedTuple):
    """Scores (N,) of one image set, higher = more anomalous, and the meta of the statistics behind them."""

    scores: NDArray[np.float64]
    meta: StatisticsMeta


def evaluate(
    methods: Sequence[AnomalyMethod],
    in_test: SourceStatistics,
    out: Sequence[SourceStatistics],
    *,
    in_reference: SourceStatistics | None = None,
    nonfinite: NonFinite = "raise",
    resamples: int = 1000,
    seed: int = 0,
) -> list[Row]:
    """Return one row per method and out-of-distribution set, in that order.

    Args:
        methods: what to compare.
        in_test: statistics of the in-distribution images to test on, by source (`likelihoods` makes this).
        out: the same for each out-of-distribution set.
        in_reference: what to fit on. Without it, a method that fits learns from one random half of `in_test`
            and is tested on the other; a method that does not fit is tested on all of it.
        nonfinite: see `anomaly_methods.metrics`; with "anomalous", fitting leaves out such rows.
        resamples: of the bootstrap.
        seed: of the halves and of the bootstrap.

    Raises:
        ValueError: statistics are missing, do not belong together, overlap with the reference, or hold
            non-finite numbers and `nonfinite` is "raise".
    """
    _require_arguments(methods, in_test, out)
    rows = []
    for method in methods:
        inside, *others = score_sets(
            method, in_test, out, in_reference=in_reference, nonfinite=nonfinite, seed=seed
        )
        for outside in others:
            result = separation(
                inside.scores, outside.scores, nonfinite=nonfinite, resamples=resamples, seed=seed
            )
            rows.append(_row(method.name, inside.meta, outside.meta, result))
    return rows


def _require_arguments(methods: object, in_test: object, out: object) -> None:
    require_methods(methods)
    sets = [in_test, *out] if isinstance(out, Sequence) else [None]
    if not all(isinstance(one, Mapping) for one in sets):
        raise ValueError(
            "evaluate takes statistics by source, as likelihoods(...) returns, and a list of them for the "
            "out-of-distribution sets."
        )


def score_sets(
    method: AnomalyMethod,
    in_test: SourceStatistics,
    out: Sequence[SourceStatistics],
    *,
    in_reference: SourceStatistics | None = None,
    nonfinite: NonFinite = "raise",
    seed: int = 0,
) -> list[Scored]:
    """Fit one method and return what it scored: the in-distribution test images first, then each other set.

    Arguments and errors as in `evaluate`.
    """
    reference, inside = _reference_and_test(method, in_test, in_reference, seed)
    if method.fits and nonfinite == "anomalous":
        reference = reference.select(reference.finite_rows())
    scorer = method.fit(reference)
    sets = [inside, *(assemble(method.sources, available) for available in out)]
    return [Scored(scorer.score(statistics), statistics.meta) for statistics in sets]


def _reference_and_test(
    method: AnomalyMethod, in_test: SourceStatistics, in_reference: SourceStatistics | None, seed: int
) -> tuple[Statistics, Statistics]:
    test = assemble(method.sources, in_test)
    if in_reference is not None:
        reference = assemble(method.sources, in_reference)
        if method.fits:
            _require_disjoint(reference, test)
        return reference, test
    return test.halves(seed) if method.fits else (test, test)


def _require_disjoint(reference: Statistics, test: Statistics) -> None:
    one, other = reference.meta, test.meta
    same_set = (one.dataset, one.split) == (other.dataset, other.split)
    if not (same_set or one.dataset_sha256 == other.dataset_sha256):
        return
    shared = len(np.intersect1d(reference.index, test.index))
    if shared:
        raise ValueError(
            f"A method must not be tested on images that it was fitted on, but {shared} of {len(test)} rows "
            f"of {other.dataset!r} ({other.split}) are in both: give no reference, and halves are taken."
        )


def _row(method: str, inside: StatisticsMeta, outside: StatisticsMeta, result: Separation) -> Row:
    general = inside.sources.get("general")
    return Row(
        method=method,
        in_distribution=inside.dataset,
        out_of_distribution=outside.dataset,
        separation=result,
        bound=inside.bounds,
        group_size=inside.group_size,
        model=inside.model,
        general_model=general.model if general else "",
        evaluation=inside.evaluations,
    )
