"""Scores of methods under models, computed from saved statistics by `anomaly_methods.evaluation`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anomaly_methods.evaluation import score_sets
from anomaly_methods.methods.registry import get_method
from anomaly_methods.metrics import auroc, count_nonfinite
from anomaly_methods.statistics import StatisticsMeta
from plots.finding import require_alike
from plots.paper_request import PaperRequest

__all__ = ["ScoredSets", "require_others", "scored_sets"]


@dataclass(frozen=True)
class ScoredSets:
    """One method on all sets under one model.

    Attributes:
        model: what to call the model.
        method: its name.
        sets: {set: scores (N,), higher = more anomalous}, the in-distribution set first. A method that fits
            has learnt from one half of that set, and the scores are of the other.
        meta: of the in-distribution statistics.
    """

    model: str
    method: str
    sets: Mapping[str, NDArray[np.float64]]
    meta: StatisticsMeta

    @property
    def in_distribution(self) -> str:
        """Name of the in-distribution set."""
        return next(iter(self.sets))

    @property
    def out_of_distribution(self) -> list[str]:
        """Names of the other sets."""
        return list(self.sets)[1:]

    @property
    def aurocs(self) -> dict[str, float]:
        """{set: AUROC against the in-distribution set}; scores that are not finite are the most anomalous."""
        inside = self.sets[self.in_distribution]
        return {
            name: auroc(inside, self.sets[name], nonfinite="anomalous") for name in self.out_of_distribution
        }

    @property
    def nonfinite(self) -> int:
        """How many scores are NaN or infinite."""
        return sum(count_nonfinite(scores) for scores in self.sets.values())


def scored_sets(request: PaperRequest) -> list[ScoredSets]:
    """Return the scores of every model and method of a command line, model by model.

    Raises:
        ValueError: there is no such method, it lacks statistics, nothing is there to compare with, or the
            statistics were not computed alike.
        FileNotFoundError: statistics are missing; the sentence holds the command that makes them.
    """
    methods = [get_method(name) for name in request.methods]
    require_others(request)
    request.require()
    found = []
    for model in request.models:
        for method in methods:
            sources = request.sources(model, method.sources)
            for source in method.sources.values():
                require_alike([available[source] for available in sources.values()])
            inside, *outside = sources.values()
            scored = score_sets(method, inside, outside, nonfinite="anomalous", seed=request.seed)
            scores = dict(zip(sources, (item.scores for item in scored), strict=True))
            found.append(ScoredSets(model.name, method.name, scores, scored[0].meta))
    return found


def require_others(request: PaperRequest) -> None:
    """Refuse a request in which a model has its in-distribution set alone.

    Raises:
        ValueError: naming that set.
    """
    for model in request.models:
        if len(request.sets_of(model)) < 2:
            raise ValueError(
                f"{model.id_dataset} is all there is of --datasets: name a set to tell it apart from."
            )
