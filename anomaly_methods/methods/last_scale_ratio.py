"""Both hierarchies at once: the ratio of the last scales' shares."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from anomaly_methods.methods.base import FormulaMethod
from anomaly_methods.methods.last_scale import last_scale_name
from anomaly_methods.methods.sources import GENERAL_LIKELIHOOD, SPECIFIC_LIKELIHOOD, Source
from anomaly_methods.statistics import Statistics

__all__ = ["LastScaleRatio"]


class LastScaleRatio(FormulaMethod):
    """Score minus the difference of the last scale's share under the specific and the general model, in nats.

    References:
        Understanding Anomaly Detection with Deep Invertible Networks through Hierarchies of Distributions and
        Features (Schirrmeister et al., 2020), both hierarchies and equation 3;
        docs/methods.md, equation 5.
    """

    name: ClassVar[str] = "last_scale_ratio"
    summary: ClassVar[str] = "minus (last scale's share of the specific model - that of the general model)"
    sources: ClassVar[Mapping[str, Source]] = {"specific": SPECIFIC_LIKELIHOOD, "general": GENERAL_LIKELIHOOD}
    requires: ClassVar[tuple[str, ...]] = ("specific/log_prob.scale0", "general/log_prob.scale0")
    requirement: ClassVar[str] = "likelihood statistics of two multi-scale models"

    def formula(self, statistics: Statistics) -> NDArray[np.float64]:
        specific, general = (last_scale_name(statistics, f"{key}/") for key in self.sources)
        if specific.removeprefix("specific/") != general.removeprefix("general/"):
            raise ValueError(
                "The last scales of two models can be compared only if they have as many scales, "
                f"but theirs are {specific!r} and {general!r}."
            )
        return statistics.value(general) - statistics.value(specific)
