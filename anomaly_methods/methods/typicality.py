"""Typicality: images whose likelihood is unusual in either direction."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from anomaly_methods.methods.base import AnomalyMethod, Scorer, require_finite
from anomaly_methods.statistics import Statistics, StatisticsMeta

__all__ = ["Typicality"]


class Typicality(AnomalyMethod):
    """Score `|(1/B) sum_b log p(x_b) - mean log p|`, in nats per image, for groups of B >= 1 images.

    The mean is that of the in-distribution reference: minus an estimate of the model's entropy.

    References:
        Detecting Out-of-Distribution Inputs to Deep Generative Models Using Typicality (Nalisnick et al.,
        2019), the typicality test for batches of any size; docs/methods.md, equation 6.
    """

    name: ClassVar[str] = "typicality"
    summary: ClassVar[str] = "|log p(x) - mean log p of in-distribution images|"
    fits: ClassVar[bool] = True

    def _fit(self, reference: Statistics) -> Scorer:
        sums = reference.value("log_prob")
        require_finite(sums, "log_prob")
        return _TypicalityScorer(reference.meta, float(sums.mean()) / reference.meta.group_size)


class _TypicalityScorer(Scorer):
    def __init__(self, reference: StatisticsMeta, mean_log_prob: float) -> None:
        super().__init__(reference)
        self._mean_log_prob = mean_log_prob

    def _score(self, statistics: Statistics) -> NDArray[np.float64]:
        per_image = statistics.value("log_prob") / statistics.meta.group_size
        return np.abs(per_image - self._mean_log_prob)
