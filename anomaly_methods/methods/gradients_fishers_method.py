"""Fisher's method over the tensors: one two-sided test each, combined."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr

from anomaly_methods.methods.gradient_norms import GradientMethod, LogNorms, ScoreFunction

__all__ = ["GradientsFishersMethod"]


class GradientsFishersMethod(GradientMethod):
    """Score `-2 sum_l log p_l`, p_l = 2 Phi(-|log f_l - mu_l| / sigma_l) the two-sided p-value of tensor l.

    Were the tensors independent, the score of in-distribution groups would be chi-square with 2 L degrees of
    freedom. They are not; `anomaly_methods.calibration` gives p-values that hold all the same.

    References:
        Statistical Methods for Research Workers (Fisher, 1932), section 21.1. Features:
        Approximations to the Fisher Information Metric of Deep Generative Models for Out-Of-Distribution
        Detection (Dauncey et al., 2024), arXiv 2403.01485.
    """

    name: ClassVar[str] = "gradients_L2_norms_fishers_method"
    summary: ClassVar[str] = "-2 sum over tensors of log p_l, two-sided p-values of log f_l"

    def learn(self, reference: LogNorms) -> ScoreFunction:
        mean, deviation = reference.values.mean(axis=0), reference.values.std(axis=0)

        def score(features: NDArray[np.float64]) -> NDArray[np.float64]:
            # The logarithm of the tail is computed as such: the tail itself is 0 from 38 deviations on.
            log_p = np.log(2) + log_ndtr(-np.abs(features - mean) / deviation)
            total: NDArray[np.float64] = log_p.sum(axis=1)
            return -2 * total

        return score
