"""A one-class support vector machine on log squared gradient norms."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from anomaly_methods.methods.gradient_norms import GradientMethod, LogNorms, ScoreFunction, finite_rows_only

__all__ = ["GradientsSvm"]


class GradientsSvm(GradientMethod):
    """Score minus the signed distance to the boundary around the standardised log f_l of the reference.

    Kernel exp(-|x - y|^2 / L) over L tensors; a tenth of the reference may lie outside (nu = 0.1): fixed
    numbers, since choosing them would take anomalies. Of a reference of more than 2,000 groups, 2,000 at
    equal spaces are learned from: time grows with the square of their number.

    References:
        Estimating the Support of a High-Dimensional Distribution (Schölkopf et al., 2001). On gradient norms:
        Approximations to the Fisher Information Metric of Deep Generative Models for Out-Of-Distribution
        Detection (Dauncey et al., 2024), arXiv 2403.01485.
    """

    name: ClassVar[str] = "gradients_L2_norms_svm"
    summary: ClassVar[str] = "minus the margin of a one-class SVM on standardised log f_l"
    outside: ClassVar[float] = 0.1
    most_groups: ClassVar[int] = 2000

    def learn(self, reference: LogNorms) -> ScoreFunction:
        from sklearn.svm import OneClassSVM

        mean, deviation = reference.values.mean(axis=0), reference.values.std(axis=0)
        used = np.linspace(0, len(reference.values) - 1, self.most_groups).round().astype(np.int64)
        rows = reference.values if len(reference.values) <= self.most_groups else reference.values[used]
        machine = OneClassSVM(kernel="rbf", gamma=1 / len(mean), nu=self.outside)
        machine.fit((rows - mean) / deviation)

        def score(features: NDArray[np.float64]) -> NDArray[np.float64]:
            return -np.asarray(machine.decision_function((features - mean) / deviation), np.float64)

        return finite_rows_only(score)
