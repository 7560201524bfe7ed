"""Raw likelihood: what a density seems to be for, and what fails on natural images."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from anomaly_methods.methods.base import FormulaMethod
from anomaly_methods.statistics import Statistics

__all__ = ["RawLikelihood"]


class RawLikelihood(FormulaMethod):
    """Score `-log p(x)`, in nats, summed over the group.

    References:
        Novelty detection and neural network validation (Bishop, 1994). Why it fails: Do Deep Generative
        Models Know What They Don't Know? (Nalisnick et al., 2019). docs/methods.md, equation 1.
    """

    name: ClassVar[str] = "raw_likelihood"
    summary: ClassVar[str] = "minus log p(x)"

    def formula(self, statistics: Statistics) -> NDArray[np.float64]:
        return -statistics.value("log_prob")
