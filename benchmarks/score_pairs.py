"""Every method on one pair of image sets, and what its statistics cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from anomaly_methods.evaluation import evaluate
from anomaly_methods.methods.base import AnomalyMethod
from anomaly_methods.methods.sources import Source
from anomaly_methods.metrics import NonFinite
from anomaly_methods.statistics import Statistics
from anomaly_methods.table import Row
from commands.choosing import general_model, models_by_role, needed_sources
from commands.computing import Computation, RunModel

__all__ = ["Cell", "Cost", "Pair", "PairScores", "require_usable", "score_pair"]


class Pair(NamedTuple):
    """A run, the set that belongs and the one that does not, as on the command line."""

    run: str
    inside: str
    outside: str

    @property
    def name(self) -> str:
        """What tables call it: the two sets without their folders."""
        names = (Path(spec.rpartition(":")[2]).name for spec in (self.inside, self.outside))
        return " / ".join(name.removesuffix(".npy") for name in names)


@dataclass(frozen=True)
class Cell:
    """One method on one pair: its row, or the reason why there is none."""

    pair: str
    group_size: int
    method: str
    row: Row | None
    reason: str = ""


@dataclass(frozen=True)
class Cost:
    """Time that one kind of statistics of one set took; None where it was not recorded."""

    model: str
    kind: str
    group_size: int
    dataset_sha256: str
    images: int
    seconds: float | None


class PairScores(NamedTuple):
    """All there is to say about one pair at one group size."""

    cells: tuple[Cell, ...]
    costs: tuple[Cost, ...]


def require_usable(pair: Pair, computation: Computation) -> None:
    """Look at a run and both sets before anything long begins.

    Raises:
        ValueError: the run, or a set, is not usable.
        OSError: it is not there.
    """
    specific = computation.run(pair.run)
    for spec in (pair.inside, pair.outside):
        computation.images(specific, spec)


def score_pair(
    pair: Pair, computation: Computation, methods: Sequence[AnomalyMethod], nonfinite: NonFinite = "raise"
) -> PairScores:
    """Evaluate the methods; compute the statistics that are missing and keep them in the run's folder.

    A method that lacks a model or images, or whose statistics are not finite, gets its reason instead of
    a row, so that it does not keep the others from being compared.

    Raises:
        ValueError: the run is not usable.
        OSError: something is not there, or a file cannot be written.
    """
    specific = computation.run(pair.run)
    models = models_by_role(specific, general_model(specific, None))
    sources = needed_sources(methods, models)
    inside = _available(computation, models, sources, pair.inside)
    outside = _available(computation, models, sources, pair.outside)
    cells = []
    for method in methods:
        row, reason = _row(method, inside, outside, computation.seed, nonfinite)
        cells.append(Cell(pair.name, computation.group_size, method.name, row, reason))
    found = [*inside.statistics.values(), *outside.statistics.values()]
    return PairScores(tuple(cells), tuple(map(_cost, found)))


class _Available(NamedTuple):
    """The statistics of one set, and why others could not be computed."""

    statistics: dict[Source, Statistics]
    faults: dict[Source, str]


def _available(
    computation: Computation, models: Mapping[str, RunModel], sources: Sequence[Source], spec: str
) -> _Available:
    found = _Available({}, {})
    for source in sources:
        try:
            found.statistics[source] = computation.statistics(models[source.role], spec, source.kind)
        except ValueError as error:
            found.faults[source] = str(error)
    return found


def _row(
    method: AnomalyMethod, inside: _Available, outside: _Available, seed: int, nonfinite: NonFinite
) -> tuple[Row | None, str]:
    """Return the row of a method, or why there is none."""
    faults = inside.faults | outside.faults
    for source in method.sources.values():
        if source in faults:
            return None, faults[source]
    try:
        if (lack := method.unmet(inside.statistics)) is not None:
            return None, lack
        sets = (inside.statistics, [outside.statistics])
        (row,) = evaluate([method], *sets, nonfinite=nonfinite, seed=seed)
    except ValueError as error:
        return None, str(error)
    return row, ""


def _cost(statistics: Statistics) -> Cost:
    meta = statistics.meta
    images = len(statistics) * meta.group_size
    return Cost(meta.model, meta.kind, meta.group_size, meta.dataset_sha256, images, meta.seconds)
