"""Rao's score test, with the Fisher information a multiple of the identity for each tensor."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from anomaly_methods.methods.gradient_norms import GradientMethod, LogNorms, ScoreFunction, tensor_sizes

__all__ = ["GradientsScoreTest"]


class GradientsScoreTest(GradientMethod):
    """Score `sum_l k_l f_l / mean(f_l) / sum_l k_l`, k_l = numel_l: about 1 for in-distribution groups.

    Rao's statistic for a group of B images with summed gradient g is g^T F^-1 g / B. Of the Fisher
    information F, norms tell the trace over each tensor alone: tr F_l = mean(f_l) / B over in-distribution
    groups. With F_l = (tr F_l / k_l) I the statistic is sum_l k_l f_l / mean(f_l). Its mean is the number
    of parameters, by which it is divided.

    References:
        Large sample tests of statistical hypotheses concerning several parameters (Rao, 1948). For anomalies:
        Model-agnostic out-of-distribution detection using combined statistical tests (Bergamin et al., 2022).
    """

    name: ClassVar[str] = "gradients_score_test"
    summary: ClassVar[str] = "Rao's score statistic, Fisher information isotropic per tensor"

    def learn(self, reference: LogNorms) -> ScoreFunction:
        sizes = tensor_sizes(reference)
        weights = sizes / sizes.sum() / np.exp(reference.values).mean(axis=0)

        def score(features: NDArray[np.float64]) -> NDArray[np.float64]:
            statistic: NDArray[np.float64] = np.exp(features) @ weights
            return statistic

        return score
