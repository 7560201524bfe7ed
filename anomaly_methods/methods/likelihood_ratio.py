"""Log-likelihood ratio of a specific and a general model: the hierarchy of distributions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from anomaly_methods.methods.base import FormulaMethod
from anomaly_methods.methods.sources import GENERAL_LIKELIHOOD, SPECIFIC_LIKELIHOOD, Source
from anomaly_methods.statistics import Statistics

__all__ = ["LikelihoodRatio"]


class LikelihoodRatio(FormulaMethod):
    """Score `-(log p_specific(x) - log p_general(x))`, in nats, summed over the group.

    References:
        Understanding Anomaly Detection with Deep Invertible Networks through Hierarchies of Distributions and
        Features (Schirrmeister et al., 2020), hierarchy of distributions; docs/methods.md, equation 2.
    """

    name: ClassVar[str] = "likelihood_ratio"
    summary: ClassVar[str] = "minus (log p of the specific model - log p of the general model)"
    sources: ClassVar[Mapping[str, Source]] = {"specific": SPECIFIC_LIKELIHOOD, "general": GENERAL_LIKELIHOOD}
    requires: ClassVar[tuple[str, ...]] = ("specific/log_prob", "general/log_prob")

    def formula(self, statistics: Statistics) -> NDArray[np.float64]:
        return statistics.value("general/log_prob") - statistics.value("specific/log_prob")
