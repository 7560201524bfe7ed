"""Log squared gradient norms as one normal with a full covariance, shrunk."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from anomaly_methods.methods.gradient_norms import GradientMethod, LogNorms, ScoreFunction

__all__ = ["GradientsGaussianFull"]


class GradientsGaussianFull(GradientMethod):
    """Score `-log N(log f; mu, Sigma)` with the correlations between tensors, which are strong.

    The correlation matrix is shrunk towards the identity by as much as minimises the expected squared error
    (Ledoit-Wolf); with fewer groups than tensors it stays invertible. Without any shrinkage this is the
    Mahalanobis distance.

    References:
        A well-conditioned estimator for large-dimensional covariance matrices (Ledoit & Wolf, 2004).
        Features: Approximations to the Fisher Information Metric of Deep Generative Models for
        Out-Of-Distribution Detection (Dauncey et al., 2024), arXiv 2403.01485.
    """

    name: ClassVar[str] = "gradients_L2_norms_gaussian_full"
    summary: ClassVar[str] = "minus log N(log f; mu, shrunk full covariance)"

    def learn(self, reference: LogNorms) -> ScoreFunction:
        from sklearn.covariance import ledoit_wolf

        mean, deviation = reference.values.mean(axis=0), reference.values.std(axis=0)
        correlation, _ = ledoit_wolf((reference.values - mean) / deviation, assume_centered=True)
        # Sigma = D R D with R = C C^T: the whitened features are C^-1 D^-1 (x - mean).
        factor = np.linalg.cholesky(correlation)
        constant = float(np.log(np.diag(factor)).sum() + np.log(deviation).sum())
        constant += 0.5 * len(mean) * float(np.log(2 * np.pi))
        whitening = np.linalg.inv(factor).T / deviation[:, None]

        def score(features: NDArray[np.float64]) -> NDArray[np.float64]:
            squares: NDArray[np.float64] = (((features - mean) @ whitening) ** 2).sum(axis=1)
            return 0.5 * squares + constant

        return score
