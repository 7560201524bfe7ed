"""The squared norm of the whole gradient."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from anomaly_methods.methods.base import FormulaMethod
from anomaly_methods.methods.gradient_norms import require_kind
from anomaly_methods.methods.sources import SPECIFIC_GRADIENTS, Source
from anomaly_methods.statistics import Statistics

__all__ = ["GradientsNaive"]


class GradientsNaive(FormulaMethod):
    """Score `sum_l f_l`: one number in which the tensors of the largest gradients drown the others.

    References:
        The baseline of Approximations to the Fisher Information Metric of Deep Generative Models for
        Out-Of-Distribution Detection (Dauncey et al., 2024), arXiv 2403.01485.
    """

    name: ClassVar[str] = "gradients_L2_norms_naive"
    summary: ClassVar[str] = "sum over tensors of f_l: the squared norm of the gradient"
    sources: ClassVar[Mapping[str, Source]] = {"specific": SPECIFIC_GRADIENTS}
    requires: ClassVar[tuple[str, ...]] = ()
    requirement: ClassVar[str] = "gradients statistics"

    def formula(self, statistics: Statistics) -> NDArray[np.float64]:
        total: NDArray[np.float64] = np.stack(list(statistics.values.values())).sum(axis=0)
        return total

    def _lack(self, statistics: Statistics) -> str | None:
        return super()._lack(statistics) or require_kind(self, statistics.meta)
