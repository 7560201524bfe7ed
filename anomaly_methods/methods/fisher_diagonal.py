"""Gradients measured by the diagonal of the Fisher information: in total, and as a density over tensors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from anomaly_methods.methods.gradients_gaussian import GradientsGaussian
from anomaly_methods.methods.sources import SPECIFIC_FISHER_DIAGONAL, Source
from anomaly_methods.methods.tensor_sum import TensorSum

__all__ = ["FisherDiagonal", "FisherDiagonalGaussian"]


class FisherDiagonal(TensorSum):
    """Score `sum_j g_j^2 / (F_jj + damping_l)` over all parameters j, g the gradient of the group's log p.

    F_jj = E[g_j^2] over single images, damping_l a fraction of its mean over the tensor of j (both in the
    statistics). Rao's score statistic with a diagonal Fisher information: one-sided, and unlike gradient
    norms the same for parameters in any unit.

    References:
        Large sample tests of statistical hypotheses concerning several parameters (Rao, 1948). For anomalies:
        Approximations to the Fisher Information Metric of Deep Generative Models for Out-Of-Distribution
        Detection (Dauncey et al., 2024), section 3; Model-agnostic out-of-distribution detection using
        combined statistical tests (Bergamin et al., 2022).
    """

    name: ClassVar[str] = "fisher_diagonal"
    summary: ClassVar[str] = "sum over parameters of g^2 / (F_jj + damping)"
    sources: ClassVar[Mapping[str, Source]] = {"specific": SPECIFIC_FISHER_DIAGONAL}
    requirement: ClassVar[str] = "fisher_diagonal statistics"


class FisherDiagonalGaussian(GradientsGaussian):
    """Score `-sum_l log N(log f_l; mu_l, sigma_l^2)`, f_l the sum of `FisherDiagonal` over tensor l alone.

    Two-sided, and every tensor counts for what it tells, as in `GradientsGaussian`.

    References:
        As for `GradientsGaussian` and `FisherDiagonal`.
    """

    name: ClassVar[str] = "fisher_diagonal_gaussian"
    summary: ClassVar[str] = "minus the sum over tensors of log N(log f_l), f_l by diagonal Fisher"
    sources: ClassVar[Mapping[str, Source]] = {"specific": SPECIFIC_FISHER_DIAGONAL}
    requirement: ClassVar[str] = "fisher_diagonal statistics"
