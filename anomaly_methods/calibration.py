"""From scores to p-values and thresholds that hold: split conformal on held-out in-distribution images.

Everywhere here a low p-value is anomalous, and an image (or group of images) is flagged at a rate r when its
p-value is at most r. Of in-distribution images that are exchangeable with those held out, a share of at most
r is flagged in expectation, whatever the method and the model.

References:
    Algorithmic Learning in a Random World (Vovk, Gammerman & Shafer, 2005), inductive conformal predictors.
    For anomalies: Testing for outliers with conformal p-values (Bates et al., 2023).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anomaly_methods.methods.base import AnomalyMethod, Scorer, require_finite, require_methods
from anomaly_methods.methods.gradient_norms import require_groups
from anomaly_methods.methods.sources import SourceStatistics, assemble
from anomaly_methods.methods.tails import UpperTail
from anomaly_methods.metrics import NonFinite, count_nonfinite
from anomaly_methods.statistics import Statistics

__all__ = [
    "CalibratedMethods",
    "Detection",
    "calibrate",
    "conformal_p_values",
    "conformal_threshold",
    "least_calibration",
]

_LEAST_GROUPS = 20


def conformal_p_values(
    calibration: ArrayLike, scores: ArrayLike, *, nonfinite: NonFinite = "raise"
) -> NDArray[np.float64]:
    """Return p = (1 + #{calibration >= score}) / (n + 1), (m,), in [1 / (n + 1), 1].

    Args:
        calibration: scores of n in-distribution images that the method was not fitted on.
        scores: (m,), of the same fitted method.
        nonfinite: refuse NaN and infinite scores, or count them as the most anomalous of all.

    Raises:
        ValueError: there are no calibration scores, a shape is not (N,), or a score is not finite.
    """
    ordered = np.sort(_checked(calibration, "calibration", nonfinite))
    if ordered.size == 0:
        raise ValueError("Calibration needs at least one in-distribution score, got none.")
    below = np.searchsorted(ordered, _checked(scores, "new", nonfinite), side="left")
    return (1 + len(ordered) - below) / (len(ordered) + 1)


def conformal_threshold(calibration: ArrayLike, rate: float, *, nonfinite: NonFinite = "raise") -> float:
    """Return the lowest score whose p-value is at most `rate`, in (0, 1]: flag scores at or above it.

    Raises:
        ValueError: the calibration scores are too few, or too many of them not finite, for this rate.
    """
    ordered = np.sort(_checked(calibration, "calibration", nonfinite))
    _require_resolvable(rate, len(ordered))
    places = len(ordered) + 1
    allowed = int(rate * places) + 1
    while allowed / places > rate:  # p-values are such quotients; 0.29 * 100 is less than 29 by its last bit
        allowed -= 1
    if allowed > len(ordered):
        return -math.inf
    if not math.isfinite(highest := float(ordered[-allowed])):
        raise ValueError(
            f"{np.count_nonzero(ordered == np.inf)} of {len(ordered)} calibration scores are not finite: "
            f"more than a false-positive rate of {rate:g} leaves room for."
        )
    return float(np.nextafter(highest, np.inf))


def least_calibration(rate: float) -> int:
    """Return how many calibration scores a false-positive rate needs: the lowest p-value is 1 / (n + 1)."""
    if not 0 < rate <= 1:
        raise ValueError(f"A false-positive rate must be in (0, 1], got {rate}.")
    count = max(int(1 / rate) - 1, 1)
    return count if 1 / (count + 1) <= rate else count + 1


@dataclass(frozen=True)
class Detection:
    """What several calibrated methods say about N groups of images."""

    scores: Mapping[str, NDArray[np.float64]]
    """{method: (N,)}, higher = more anomalous."""
    p_values: Mapping[str, NDArray[np.float64]]
    """{method: (N,)}: each method alone."""
    statistic: NDArray[np.float64]
    """(N,): the score of all methods together; the higher it is, the lower is `combined`, or the same."""
    combined: NDArray[np.float64]
    """(N,): one p-value from all methods, as valid as each of theirs."""


class CalibratedMethods:
    """Fitted methods with the scores of held-out in-distribution images; `calibrate` makes it.

    Attributes:
        scorers: {method: fitted scorer}.
        calibration: {method: scores of the held-out groups (n,)}.
        groups: n.
    """

    def __init__(
        self,
        methods: Mapping[str, AnomalyMethod],
        scorers: Mapping[str, Scorer],
        tails: Mapping[str, UpperTail],
        held_out: Mapping[str, Statistics],
        nonfinite: NonFinite,
    ) -> None:
        self.scorers = scorers
        self.calibration = {name: scorer.score(held_out[name]) for name, scorer in scorers.items()}
        for name, scores in self.calibration.items():
            _checked(scores, f"calibration ({name})", nonfinite)
        self._methods, self._tails, self._nonfinite = methods, tails, nonfinite
        self._combined = self._statistic(self.calibration)  # infinite where any score is not finite
        self.groups = len(self._combined)

    def detect(self, images: SourceStatistics) -> Detection:
        """Return scores and p-values of new images, which may come in pieces of any size.

        Raises:
            ValueError: statistics are missing or of another model, group size or extractor version; or scores
                are not finite and were not to be counted as anomalous.
        """
        scores = {
            name: scorer.score(assemble(self._methods[name].sources, images))
            for name, scorer in self.scorers.items()
        }
        p_values = {name: self._p_values(self.calibration[name], found) for name, found in scores.items()}
        statistic = self._statistic(scores)
        return Detection(scores, p_values, statistic, self._p_values(self._combined, statistic))

    def threshold(self, method: str, rate: float) -> float:
        """Return the score from which a method alone flags, for a wanted false-positive rate in (0, 1].

        Raises:
            ValueError: the method is not among these, or the held-out groups are too few for the rate.
        """
        if method not in self.calibration:
            raise ValueError(f"Method {method!r} is not calibrated, but {', '.join(self.calibration)} are.")
        return conformal_threshold(self.calibration[method], rate, nonfinite=self._nonfinite)

    def require_rate(self, rate: float) -> None:
        """Refuse a false-positive rate that the combined p-value cannot reach.

        Raises:
            ValueError: the held-out groups are too few for the rate, or too many of them have scores that are
                not finite; the sentence says how many.
        """
        conformal_threshold(self._combined, rate, nonfinite=self._nonfinite)

    def flagged(self, detection: Detection, rate: float) -> NDArray[np.bool_]:
        """Return which groups all methods together flag, (N,): combined p-value <= rate.

        Raises:
            ValueError: as `require_rate`.
        """
        self.require_rate(rate)
        return detection.combined <= rate

    def _statistic(self, scores: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
        """Combine the methods; how rare a score is, is judged by images that calibration does not use."""
        terms = [
            np.where(np.isfinite(found), -self._tails[name].log_p(found), np.inf)
            for name, found in scores.items()
        ]
        total: NDArray[np.float64] = np.sum(terms, axis=0)
        return total

    def _p_values(self, calibration: NDArray[np.float64], scores: NDArray[np.float64]) -> NDArray[np.float64]:
        return conformal_p_values(calibration, scores, nonfinite=self._nonfinite)


def calibrate(
    methods: Sequence[AnomalyMethod],
    in_distribution: SourceStatistics,
    *,
    seed: int = 0,
    nonfinite: NonFinite = "raise",
) -> CalibratedMethods:
    """Fit methods on one random half of in-distribution images and calibrate them on the other.

    The combined p-value is conformal too, of the statistic -sum_m log p_m(x), where p_m(x) comes from the
    half that the methods were fitted on (`UpperTail`). Given that half, the statistic is a fixed function of
    the image, so its p-value is as valid as that of one method, however the methods depend on each other:
    no Bonferroni factor and no loss of calibration images. Fisher's sum rewards agreement; a method that
    sees nothing adds little, and one that is sure enough suffices.

    Args:
        methods: at least one.
        in_distribution: all their statistics, of images that the models were not trained on.
        seed: of the halves.
        nonfinite: what to do with scores that are NaN or infinite, also of new images: refuse them, or count
            them as the most anomalous; rows with such values are then left out of fitting.

    Raises:
        ValueError: no method, fewer than 20 groups, statistics missing or of different images, or non-finite
            scores with `nonfinite` "raise".
    """
    require_methods(methods)
    named = {method.name: method for method in methods}
    if not named:
        raise ValueError("Calibration needs at least one method, got none.")
    scorers, tails, held_out = {}, {}, {}
    for name, method in named.items():
        statistics = assemble(method.sources, in_distribution)
        require_groups(f"{name}, calibrated,", statistics, _LEAST_GROUPS)
        fit, held_out[name] = statistics.halves(seed)
        if nonfinite == "anomalous":
            fit = fit.select(fit.finite_rows())
        scorers[name] = method.fit(fit)
        scores = scorers[name].score(fit)
        require_finite(scores, name)
        tails[name] = UpperTail(scores, name)
    _require_same_images(held_out)
    return CalibratedMethods(named, scorers, tails, held_out, nonfinite)


def _require_same_images(parts: Mapping[str, Statistics]) -> None:
    (first, one), *others = parts.items()
    for name, other in others:
        same = one.meta.dataset_sha256 == other.meta.dataset_sha256 and np.array_equal(one.index, other.index)
        if not same:
            raise ValueError(
                "Methods that are calibrated together need statistics of the same images, but "
                f"{first} has {len(one)} rows held out of {one.meta.dataset!r} and "
                f"{name} has {len(other)} of {other.meta.dataset!r}."
            )


def _require_resolvable(rate: float, groups: int) -> None:
    if groups < (least := least_calibration(rate)):
        raise ValueError(
            f"A false-positive rate of {rate:g} needs at least {least} held-out in-distribution groups of "
            f"images, but there are {groups}: hold out more, or ask for a rate of at least 1/{groups + 1}."
        )


def _checked(scores: ArrayLike, name: str, nonfinite: NonFinite) -> NDArray[np.float64]:
    """Return scores (N,) with those that are not finite at +infinity, the anomalous end."""
    array = np.asarray(scores, dtype=np.float64)
    if array.ndim != 1:
        raise ValueError(f"Scores must be (N,), got {name} scores of shape {array.shape}.")
    bad = count_nonfinite(array)
    if bad and nonfinite == "raise":
        raise ValueError(
            f"{bad} of {array.size} {name} scores are NaN or infinite: look into them, or count them as most "
            'anomalous with nonfinite="anomalous".'
        )
    return np.where(np.isfinite(array), array, np.inf)
