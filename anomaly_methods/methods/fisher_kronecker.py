"""Gradients measured by blocks of the Fisher information: in total, and as a density over tensors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from anomaly_methods.methods.gradients_gaussian import GradientsGaussian
from anomaly_methods.methods.sources import SPECIFIC_FISHER_KRONECKER, Source
from anomaly_methods.methods.tensor_sum import TensorSum

__all__ = ["FisherKronecker", "FisherKroneckerGaussian"]


class FisherKronecker(TensorSum):
    """Score `sum_l g_l^T (F_l + damping_l I)^-1 g_l` over tensors l, g the gradient of the group's log p.

    F_l is the whole block E[g_l g_l^T] of a small tensor and a Kronecker product over the sides of a larger
    one; damping_l is a fraction of the mean of its diagonal (both in the statistics). Rao's score statistic
    with a Fisher information that knows how the parameters of one tensor go together.

    References:
        Large sample tests of statistical hypotheses concerning several parameters (Rao, 1948); Optimizing
        Neural Networks with Kronecker-factored Approximate Curvature (Martens & Grosse, 2015); A
        Kronecker-factored approximate Fisher matrix for convolution layers (Grosse & Martens, 2016). The
        estimator stands in `anomaly_methods/extractors/fisher/blocks.py`. For anomalies: as `FisherDiagonal`.
    """

    name: ClassVar[str] = "fisher_kronecker"
    summary: ClassVar[str] = "sum over tensors of g^T (F + damping)^-1 g, F by blocks"
    sources: ClassVar[Mapping[str, Source]] = {"specific": SPECIFIC_FISHER_KRONECKER}
    requirement: ClassVar[str] = "fisher_kronecker statistics"


class FisherKroneckerGaussian(GradientsGaussian):
    """Score `-sum_l log N(log f_l; mu_l, sigma_l^2)`, f_l the term of `FisherKronecker` for tensor l.

    Two-sided, and every tensor counts for what it tells, as in `GradientsGaussian`.

    References:
        As for `GradientsGaussian` and `FisherKronecker`.
    """

    name: ClassVar[str] = "fisher_kronecker_gaussian"
    summary: ClassVar[str] = "minus the sum over tensors of log N(log f_l), f_l by Fisher blocks"
    sources: ClassVar[Mapping[str, Source]] = {"specific": SPECIFIC_FISHER_KRONECKER}
    requirement: ClassVar[str] = "fisher_kronecker statistics"
