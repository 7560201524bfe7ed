"""The features of the gradient methods, log f_l, and what these methods share."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from anomaly_methods.methods.base import AnomalyMethod, Scorer, require_finite
from anomaly_methods.methods.sources import SPECIFIC_GRADIENTS, Source
from anomaly_methods.statistics import Statistics, StatisticsMeta

__all__ = [
    "LEAST_SPREAD",
    "GradientMethod",
    "GradientScorer",
    "LogNorms",
    "ScoreFunction",
    "Tensors",
    "finite_rows_only",
    "log_norms",
    "require_groups",
    "require_kind",
    "tensor_sizes",
]

logger = logging.getLogger(__name__)

LEAST_SPREAD = 1e-4
"""Standard deviation of log f_l, that is relative spread of f_l, below which a tensor counts as constant:
gradients are computed in float32, and norms over millions of them differ by that much for no other reason."""

ScoreFunction = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""From features (N, L) to scores (N,), higher = more anomalous."""


@dataclass(frozen=True)
class LogNorms:
    """Features of N groups: one per parameter tensor.

    Args:
        names: of the L tensors.
        values: (N, L), log f_l or a difference of two; -inf where f_l = 0.
        meta: of the statistics they come from.
    """

    names: tuple[str, ...]
    values: NDArray[np.float64]
    meta: StatisticsMeta


@dataclass(frozen=True)
class Tensors:
    """Which tensors a fitted method uses, and which it dropped."""

    kept: tuple[str, ...]
    constant: tuple[str, ...]
    """Dropped: log f_l is the same for all groups of the reference, so it tells nothing."""
    vanishing: tuple[str, ...]
    """Dropped: f_l = 0 for some group of the reference, so log f_l has no mean."""

    @property
    def dropped(self) -> int:
        """How many were dropped."""
        return len(self.constant) + len(self.vanishing)

    def __str__(self) -> str:
        return (
            f"{self.dropped} of {len(self.kept) + self.dropped} tensors dropped "
            f"({len(self.constant)} constant, {len(self.vanishing)} with a gradient of zero)"
        )


class GradientMethod(AnomalyMethod):
    """A method that learns how log f_l is distributed over in-distribution groups, l = 1..L tensors.

    f_l = |grad_l sum_b log p(x_b)|^2 is the squared norm of the gradient with respect to parameter tensor l,
    summed over the group; or the same measured by the Fisher information (`fisher_diagonal`). Tensors of no
    variance, and those with f_l = 0 for any group of the reference, are left out; the scorer's `tensors` says
    which.

    Attributes:
        least_groups: rows of the reference below which fitting is refused.
    """

    sources: ClassVar[Mapping[str, Source]] = {"specific": SPECIFIC_GRADIENTS}
    requires: ClassVar[tuple[str, ...]] = ()
    requirement: ClassVar[str] = "gradients statistics"
    fits: ClassVar[bool] = True
    least_groups: ClassVar[int] = 10

    def features(self, statistics: Statistics) -> LogNorms:
        """Return the features of all tensors, whatever their values."""
        return log_norms(statistics)

    @abstractmethod
    def learn(self, reference: LogNorms) -> ScoreFunction:
        """Return the score as a function of the features, all of which are finite and vary."""

    def _fit(self, reference: Statistics) -> Scorer:
        require_groups(self.name, reference, self.least_groups)
        for name, values in reference.values.items():
            _require_squared_norms(values, name)
        features = self.features(reference)
        tensors = _choose(features)
        if not tensors.kept:
            raise ValueError(f"Method {self.name} has nothing to learn from: {tensors}.")
        if tensors.dropped:
            logger.info("%s: %s", self.name, tensors)
        return GradientScorer(self, reference.meta, tensors, self.learn(_only(features, tensors.kept)))

    def _lack(self, statistics: Statistics) -> str | None:
        return super()._lack(statistics) or require_kind(self, statistics.meta)


class GradientScorer(Scorer):
    """A fitted `GradientMethod`.

    Attributes:
        tensors: those it uses and those it dropped.
    """

    def __init__(
        self, method: GradientMethod, reference: StatisticsMeta, tensors: Tensors, function: ScoreFunction
    ) -> None:
        super().__init__(reference)
        self.tensors = tensors
        self._method = method
        self._function = function

    @property
    def dropped(self) -> int:
        """How many tensors the method leaves out."""
        return self.tensors.dropped

    def _score(self, statistics: Statistics) -> NDArray[np.float64]:
        return self._function(_only(self._method.features(statistics), self.tensors.kept).values)


def log_norms(statistics: Statistics, prefix: str = "") -> LogNorms:
    """Return log f_l of all values whose names begin with `prefix`, which is left out of the names."""
    names = [name for name in statistics.values if name.startswith(prefix)]
    columns = [statistics.values[name] for name in names]
    with np.errstate(divide="ignore"):  # log 0 = -inf, which `_choose` and the scores know how to take
        values = np.log(np.stack(columns, axis=1))
    meta = statistics.meta.sources[prefix.removesuffix("/")] if prefix else statistics.meta
    return LogNorms(tuple(name.removeprefix(prefix) for name in names), values, meta)


def tensor_sizes(features: LogNorms) -> NDArray[np.float64]:
    """Return the number of parameters of each tensor, (L,).

    Raises:
        ValueError: the extractor did not note it.
    """
    try:
        return np.array([float(features.meta.details[name]["numel"]) for name in features.names])
    except (KeyError, TypeError) as error:
        raise ValueError(
            f"The gradients statistics of {features.meta.model!r} must say in meta.details how many "
            f"parameters each tensor has, but lack {error}: compute them again."
        ) from error


def finite_rows_only(function: ScoreFunction) -> ScoreFunction:
    """Return the same score for libraries that refuse NaN and infinity: rows with any of them score NaN."""

    def score(features: NDArray[np.float64]) -> NDArray[np.float64]:
        finite = np.isfinite(features).all(axis=1)
        scores = np.full(len(features), np.nan)
        if finite.any():
            scores[finite] = function(features[finite])
        return scores

    return score


def require_kind(method: AnomalyMethod, meta: StatisticsMeta) -> str | None:
    """Return in a sentence that statistics are not of the kind that a method takes; None if they are."""
    kind = next(iter(method.sources.values())).kind
    for part in meta.sources.values() or [meta]:
        if part.kind != kind:
            return (
                f"Method {method.name} needs {kind} statistics, but those of {part.model!r} are {part.kind}."
            )
    return None


def require_groups(method: str, reference: Statistics, least: int) -> None:
    """Refuse to fit on fewer groups than `least`.

    Raises:
        ValueError: with both numbers.
    """
    if len(reference) < least:
        raise ValueError(
            f"Method {method} fits on at least {least} groups of in-distribution images, but got "
            f"{len(reference)} (of {reference.meta.dataset!r}): compute statistics of more images."
        )


def _require_squared_norms(values: NDArray[np.float64], name: str) -> None:
    require_finite(values, name)
    if values.min() < 0:
        raise ValueError(f"Squared norms are at least 0, but {name!r} holds {values.min()}.")


def _choose(features: LogNorms) -> Tensors:
    finite = np.isfinite(features.values).all(axis=0)
    spread = np.where(finite, features.values, 0.0).std(axis=0)
    varies = finite & (spread > LEAST_SPREAD)
    names = np.array(features.names)
    kept, constant, vanishing = (tuple(map(str, names[mask])) for mask in (varies, finite & ~varies, ~finite))
    return Tensors(kept, constant, vanishing)


def _only(features: LogNorms, names: tuple[str, ...]) -> LogNorms:
    if names == features.names:
        return features
    places = {name: place for place, name in enumerate(features.names)}
    missing = [name for name in names if name not in places]
    if missing:
        raise ValueError(
            f"The statistics of {features.meta.dataset!r} hold no gradients of {len(missing)} tensors "
            f"that the method was fitted on, among them {missing[0]!r}: compute them again."
        )
    return LogNorms(names, features.values[:, [places[name] for name in names]], features.meta)
