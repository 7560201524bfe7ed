"""Squared gradient norms as scaled chi-squares, which they would be for normal gradients."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from anomaly_methods.methods.gradient_norms import GradientMethod, LogNorms, ScoreFunction, tensor_sizes

__all__ = ["GradientsChiSquare", "log_density_of_log"]


class GradientsChiSquare(GradientMethod):
    """Score `-sum_l log p(log f_l)` where `f_l / c_l` is chi-square with k_l = numel_l degrees of freedom.

    If the k_l entries of a gradient were independent N(0, c_l), their squares would sum to this law. c_l is
    fitted by maximum likelihood, c_l = mean(f_l) / k_l. The density is that of y = log f_l, with the Jacobian
    df/dy = f, so that its scores are in the same measure as those of the other densities:

    `log p(y) = k/2 (y - log 2c) - exp(y) / 2c - log Gamma(k/2)`.

    The entries of real gradients are far from independent: f_l varies by much more than sqrt(2 / k_l).

    References:
        Features: Approximations to the Fisher Information Metric of Deep Generative Models for
        Out-Of-Distribution Detection (Dauncey et al., 2024), arXiv 2403.01485.
    """

    name: ClassVar[str] = "gradients_L2_norms_chi_square"
    summary: ClassVar[str] = "minus the sum over tensors of log p(log f_l), f_l a scaled chi-square"

    def learn(self, reference: LogNorms) -> ScoreFunction:
        freedom = tensor_sizes(reference)
        log_scale = np.log(np.exp(reference.values).mean(axis=0) / freedom)

        def score(features: NDArray[np.float64]) -> NDArray[np.float64]:
            total: NDArray[np.float64] = log_density_of_log(features, freedom, log_scale).sum(axis=1)
            return -total

        return score


def log_density_of_log(
    y: NDArray[np.float64], freedom: NDArray[np.float64], log_scale: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return log p(y) for y = log f, f / c chi-square with `freedom` degrees; arguments broadcast."""
    halves = y - log_scale - np.log(2)
    with np.errstate(over="ignore"):  # a norm beyond all floats has density 0
        density: NDArray[np.float64] = freedom / 2 * halves - np.exp(halves) - gammaln(freedom / 2)
    return density
