"""What an anomaly method is: fitted on in-distribution statistics, it scores others."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from anomaly_methods.meta import MODEL_FIELDS, StatisticsMeta, differences
from anomaly_methods.methods.sources import SPECIFIC_LIKELIHOOD, Source, SourceStatistics, assemble
from anomaly_methods.statistics import Statistics

__all__ = [
    "AnomalyMethod",
    "FormulaMethod",
    "Scorer",
    "require_comparable",
    "require_finite",
    "require_methods",
]


class Scorer(ABC):
    """A fitted method.

    Args:
        reference: meta of the statistics it was fitted on.
    """

    def __init__(self, reference: StatisticsMeta) -> None:
        self.reference = reference

    def score(self, statistics: Statistics) -> NDArray[np.float64]:
        """Return scores (N,), higher = more anomalous; non-finite values give non-finite scores.

        Raises:
            ValueError: the statistics are not comparable with those that the method was fitted on.
        """
        _require_statistics(statistics)
        require_comparable(self.reference, statistics.meta)
        with np.errstate(invalid="ignore"):  # infinity minus infinity is NaN, which the metrics count
            return self._score(statistics)

    @abstractmethod
    def _score(self, statistics: Statistics) -> NDArray[np.float64]:
        """Return scores (N,)."""


class AnomalyMethod(ABC):
    """A rule to turn in-distribution statistics into a `Scorer`.

    Attributes:
        name: as on the command line.
        summary: one line for people.
        sources: {key: source}. With one source, `fit` and `score` take its statistics as they are; with
            several, joined, where the values have the key and "/" before their names.
        requires: names of values without which the method cannot work.
        requirement: what to call statistics that hold them.
        fits: whether it learns from the values of the reference (then it must not be tested on them).
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    sources: ClassVar[Mapping[str, Source]] = {"specific": SPECIFIC_LIKELIHOOD}
    requires: ClassVar[tuple[str, ...]] = ("log_prob",)
    requirement: ClassVar[str] = "likelihood statistics"
    fits: ClassVar[bool] = False

    def fit(self, reference: Statistics) -> Scorer:
        """Learn from in-distribution statistics.

        Raises:
            ValueError: they lack values that the method needs, or are too few or not finite where it fits.
        """
        _require_statistics(reference)
        if (lack := self._lack(reference)) is not None:
            raise ValueError(lack)
        return self._fit(reference)

    def unmet(self, available: SourceStatistics) -> str | None:
        """Return in a sentence what the method lacks among these statistics, or None if it lacks nothing.

        Raises:
            ValueError: all are there, but they do not belong together.
        """
        for role, kind in self.sources.values():
            if (role, kind) not in available:
                return f"Method {self.name} needs {kind} statistics of the {role} model, but got none."
        return self._lack(assemble(self.sources, available))

    @abstractmethod
    def _fit(self, reference: Statistics) -> Scorer:
        """Learn from statistics that hold what is required."""

    def _lack(self, statistics: Statistics) -> str | None:
        for name in self.requires:
            if name not in statistics.values:
                return (
                    f"Method {self.name} needs {self.requirement}, but those of {statistics.meta.model!r} "
                    f"hold no values {name!r}."
                )
        return None


def require_methods(found: object) -> None:
    """Refuse what is no sequence of methods, such as one method or names.

    Raises:
        ValueError: saying what is taken.
    """
    if not isinstance(found, Sequence) or not all(isinstance(one, AnomalyMethod) for one in found):
        raise ValueError("This takes a list of methods, such as [get_method('typicality')].")


def _require_statistics(found: object) -> None:
    if not isinstance(found, Statistics):
        raise ValueError(
            f"fit and score take Statistics, but got {type(found).__name__}: of statistics by source, as "
            "likelihoods(...) returns, make them with assemble(method.sources, ...), or call evaluate."
        )


class FormulaMethod(AnomalyMethod):
    """A method with nothing to learn: its score is a formula of the statistics."""

    @abstractmethod
    def formula(self, statistics: Statistics) -> NDArray[np.float64]:
        """Return scores (N,)."""

    def _fit(self, reference: Statistics) -> Scorer:
        return _FormulaScorer(reference.meta, self)


class _FormulaScorer(Scorer):
    def __init__(self, reference: StatisticsMeta, method: FormulaMethod) -> None:
        super().__init__(reference)
        self._method = method

    def _score(self, statistics: Statistics) -> NDArray[np.float64]:
        return self._method.formula(statistics)


def require_comparable(reference: StatisticsMeta, other: StatisticsMeta) -> None:
    """Refuse statistics of another model, group size, kind, extractor version or image shape.

    Raises:
        ValueError: naming the field and both values.
    """
    for name, (here, there) in differences(reference, other, MODEL_FIELDS).items():
        raise ValueError(
            f"Statistics to score must be computed like those that the method was fitted on, but {name} is "
            f"{there!r} ({other.model!r}, {other.dataset!r}) and was {here!r} "
            f"({reference.model!r}, {reference.dataset!r})."
        )
    if set(reference.sources) != set(other.sources):
        raise ValueError(
            f"Statistics to score must be joined like those that the method was fitted on, but they join "
            f"{sorted(other.sources) or 'nothing'} and those joined {sorted(reference.sources) or 'nothing'}."
        )
    for key, meta in reference.sources.items():
        require_comparable(meta, other.sources[key])


def require_finite(values: NDArray[np.float64], name: str) -> None:
    """Refuse to fit on values that are none, NaN or infinite.

    Raises:
        ValueError: saying how many.
    """
    bad = int(np.count_nonzero(~np.isfinite(values)))
    if bad or values.size == 0:
        raise ValueError(
            f"Fitting needs finite values of {name!r}, but {bad} of {values.size} are NaN or infinite: "
            "leave those rows out (Statistics.finite_rows)."
        )
