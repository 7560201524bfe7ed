"""The second paper's method: log squared gradient norms as independent normals."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from anomaly_methods.methods.gradient_norms import GradientMethod, LogNorms, ScoreFunction

__all__ = ["GradientsGaussian", "independent_normals"]


class GradientsGaussian(GradientMethod):
    """Score `-sum_l log N(log f_l; mu_l, sigma_l^2)`, mu_l and sigma_l those of the reference.

    f_l approximates how far one step on the group would move tensor l in the metric of the Fisher
    information; its logarithm is close to normal over in-distribution groups.

    References:
        Approximations to the Fisher Information Metric of Deep Generative Models for Out-Of-Distribution
        Detection (Dauncey et al., 2024), arXiv 2403.01485.
    """

    name: ClassVar[str] = "gradients_L2_norms_gaussian"
    summary: ClassVar[str] = "minus the sum over tensors of log N(log f_l)"

    def learn(self, reference: LogNorms) -> ScoreFunction:
        return independent_normals(reference.values)


def independent_normals(reference: NDArray[np.float64]) -> ScoreFunction:
    """Return minus the log-density of independent normals, fitted to the columns of (n, L)."""
    mean, deviation = reference.mean(axis=0), reference.std(axis=0)
    constant = float(np.log(deviation).sum()) + 0.5 * len(mean) * float(np.log(2 * np.pi))

    def negative_log_density(features: NDArray[np.float64]) -> NDArray[np.float64]:
        squares: NDArray[np.float64] = (((features - mean) / deviation) ** 2).sum(axis=1)
        return 0.5 * squares + constant

    return negative_log_density
