"""The squared norm of the whole gradient."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from anomaly_methods.methods.sources import SPECIFIC_GRADIENTS, Source
from anomaly_methods.methods.tensor_sum import TensorSum

__all__ = ["GradientsNaive"]


class GradientsNaive(TensorSum):
    """Score `sum_l f_l`: one number in which the tensors of the largest gradients drown the others.

    References:
        The baseline of Approximations to the Fisher Information Metric of Deep Generative Models for
        Out-Of-Distribution Detection (Dauncey et al., 2024), arXiv 2403.01485.
    """

    name: ClassVar[str] = "gradients_L2_norms_naive"
    summary: ClassVar[str] = "sum over tensors of f_l: the squared norm of the gradient"
    sources: ClassVar[Mapping[str, Source]] = {"specific": SPECIFIC_GRADIENTS}
    requirement: ClassVar[str] = "gradients statistics"
