"""How well scores tell anomalies from in-distribution images.

The coding, for every function here: in-distribution images are the negatives, anomalies the positives, a
higher score is more anomalous, and an image is flagged when its score is at least the threshold.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "NonFinite",
    "Separation",
    "auroc",
    "auroc_interval",
    "average_precision",
    "count_nonfinite",
    "fpr_at_tpr",
    "roc_curve",
    "separation",
]

NonFinite = Literal["raise", "anomalous"]
"""What to do about scores that are NaN or infinite: refuse them, or count them as most anomalous."""


@dataclass(frozen=True)
class Separation:
    """All metrics of one pair of score sets."""

    auroc: float
    auroc_low: float
    auroc_high: float
    """Ends of the bootstrap 95 % interval of `auroc`."""
    ap_anomaly: float
    """Average precision with anomalies as the positives."""
    ap_normal: float
    """Average precision with in-distribution images as the positives, low scores first."""
    fpr95: float
    """Share of in-distribution images flagged when 95 % of the anomalies are."""
    n_in: int
    n_out: int
    nonfinite: int
    """Scores that were NaN or infinite."""


def separation(
    in_scores: ArrayLike,
    out_scores: ArrayLike,
    *,
    nonfinite: NonFinite = "raise",
    resamples: int = 1000,
    seed: int = 0,
) -> Separation:
    """Return every metric of in-distribution scores (n,) against anomaly scores (m,).

    Raises:
        ValueError: a set is empty or not (N,), or has non-finite scores and `nonfinite` is "raise".
    """
    histogram = _rank(in_scores, out_scores, nonfinite).histogram()
    low, high = auroc_interval(in_scores, out_scores, nonfinite=nonfinite, resamples=resamples, seed=seed)
    return Separation(
        auroc=_area(histogram),
        auroc_low=low,
        auroc_high=high,
        ap_anomaly=_precision(histogram.outside[::-1], histogram.inside[::-1]),
        ap_normal=_precision(histogram.inside, histogram.outside),
        fpr95=_false_positives(histogram, 0.95),
        n_in=int(histogram.inside.sum()),
        n_out=int(histogram.outside.sum()),
        nonfinite=count_nonfinite(in_scores) + count_nonfinite(out_scores),
    )


def auroc(in_scores: ArrayLike, out_scores: ArrayLike, *, nonfinite: NonFinite = "raise") -> float:
    """Return the probability that an anomaly scores above an in-distribution image, ties counting half.

    References:
        The meaning and use of the area under a receiver operating characteristic (ROC) curve
        (Hanley & McNeil, 1982).
    """
    return _area(_rank(in_scores, out_scores, nonfinite).histogram())


def auroc_interval(
    in_scores: ArrayLike,
    out_scores: ArrayLike,
    *,
    nonfinite: NonFinite = "raise",
    level: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> tuple[float, float]:
    """Return the percentile bootstrap interval of `auroc`, resampling the two sets apart (stratified).

    It tells the error from having these images and not others, given the model; it does not tell the spread
    over training runs. Where the sets do not overlap, every resample has the same area: a point.

    References:
        An Introduction to the Bootstrap (Efron & Tibshirani, 1993), chapter 13.
    """
    if not 0 < level < 1 or resamples < 1:
        raise ValueError(f"An interval needs 0 < level < 1 and resamples >= 1, got {level} and {resamples}.")
    ranked = _rank(in_scores, out_scores, nonfinite)
    generator = np.random.default_rng(seed)
    areas = [_area(ranked.resampled(generator).histogram()) for _ in range(resamples)]
    low, high = np.quantile(areas, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def average_precision(
    in_scores: ArrayLike,
    out_scores: ArrayLike,
    *,
    positive: Literal["anomaly", "normal"] = "anomaly",
    nonfinite: NonFinite = "raise",
) -> float:
    """Return the sum over thresholds of precision times the increase in recall, without interpolation.

    Args:
        in_scores: (n,).
        out_scores: (m,).
        positive: "anomaly" finds anomalies from the highest score down, "normal" the rest from the lowest up.
        nonfinite: see `NonFinite`.
    """
    histogram = _rank(in_scores, out_scores, nonfinite).histogram()
    if positive == "normal":
        return _precision(histogram.inside, histogram.outside)
    return _precision(histogram.outside[::-1], histogram.inside[::-1])


def fpr_at_tpr(
    in_scores: ArrayLike, out_scores: ArrayLike, *, tpr: float = 0.95, nonfinite: NonFinite = "raise"
) -> float:
    """Return the share of in-distribution images flagged where `tpr` of the anomalies are."""
    if not 0 < tpr <= 1:
        raise ValueError(f"The rate of anomalies to flag must be in (0, 1], got {tpr}.")
    return _false_positives(_rank(in_scores, out_scores, nonfinite).histogram(), tpr)


def roc_curve(
    in_scores: ArrayLike, out_scores: ArrayLike, *, nonfinite: NonFinite = "raise"
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return which shares of in-distribution images and of anomalies are flagged at each threshold, (K + 1,).

    Both rise from 0, where nothing is flagged, to 1; the area below the straight lines between is `auroc`.
    """
    histogram = _rank(in_scores, out_scores, nonfinite).histogram()
    false, true = (np.cumsum(np.append(0, counts[::-1])) for counts in (histogram.inside, histogram.outside))
    return false / false[-1], true / true[-1]


def count_nonfinite(scores: ArrayLike) -> int:
    """Return how many scores are NaN or infinite."""
    return int(np.count_nonzero(~np.isfinite(np.asarray(scores, dtype=np.float64))))


class _Histogram(NamedTuple):
    """How many scores of each set are equal to each distinct score, from the lowest: (K,) each."""

    inside: NDArray[np.int64]
    outside: NDArray[np.int64]


class _Ranked(NamedTuple):
    """Scores replaced by their rank among the K distinct ones, which is all that the metrics depend on."""

    inside: NDArray[np.int64]
    outside: NDArray[np.int64]
    distinct: int

    def histogram(self) -> _Histogram:
        inside = np.bincount(self.inside, minlength=self.distinct)
        return _Histogram(inside, np.bincount(self.outside, minlength=self.distinct))

    def resampled(self, generator: np.random.Generator) -> _Ranked:
        """Draw as many from each set, with replacement; no sorting is needed again."""
        inside = self.inside[generator.integers(len(self.inside), size=len(self.inside))]
        outside = self.outside[generator.integers(len(self.outside), size=len(self.outside))]
        return _Ranked(inside, outside, self.distinct)


def _rank(in_scores: ArrayLike, out_scores: ArrayLike, nonfinite: NonFinite) -> _Ranked:
    inside = _checked(in_scores, "in-distribution")
    outside = _checked(out_scores, "anomaly")
    bad_in, bad_out = count_nonfinite(inside), count_nonfinite(outside)
    if nonfinite == "raise" and bad_in + bad_out:
        raise ValueError(
            f"{bad_in} of {len(inside)} in-distribution scores and {bad_out} of {len(outside)} anomaly "
            "scores are NaN or infinite: look into them, or count them as most anomalous with "
            'nonfinite="anomalous" (in commands, --nonfinite anomalous).'
        )
    if nonfinite not in ("raise", "anomalous"):
        raise ValueError(f'nonfinite must be "raise" or "anomalous", got {nonfinite!r}.')
    scores = np.concatenate([inside, outside])
    distinct, ranks = np.unique(np.where(np.isfinite(scores), scores, np.inf), return_inverse=True)
    return _Ranked(ranks[: len(inside)], ranks[len(inside) :], len(distinct))


def _checked(scores: ArrayLike, name: str) -> NDArray[np.float64]:
    array = np.asarray(scores, dtype=np.float64)
    if array.ndim != 1 or array.size == 0:
        raise ValueError(f"Metrics need at least one {name} score as (N,), got shape {array.shape}.")
    return array


def _area(histogram: _Histogram) -> float:
    inside, outside = histogram
    below = np.cumsum(inside) - inside / 2
    return float(outside @ below) / (int(inside.sum()) * int(outside.sum()))


def _precision(positives: NDArray[np.int64], negatives: NDArray[np.int64]) -> float:
    """Average precision of counts in the order in which thresholds take them in."""
    taken = np.cumsum(positives)
    precision = taken / np.maximum(taken + np.cumsum(negatives), 1)
    return float(precision @ positives) / int(positives.sum())


def _false_positives(histogram: _Histogram, tpr: float) -> float:
    flagged_out, flagged_in = np.cumsum(histogram.outside[::-1]), np.cumsum(histogram.inside[::-1])
    wanted = tpr * int(flagged_out[-1]) * (1 - 1e-12)  # 0.95 of 20 is 19, whatever its last bit says
    first = int(np.searchsorted(flagged_out, wanted))
    return float(flagged_in[first] / flagged_in[-1])
