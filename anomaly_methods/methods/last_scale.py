"""The share of the last scale in the likelihood: the hierarchy of features."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from anomaly_methods.methods.base import FormulaMethod
from anomaly_methods.statistics import Statistics

__all__ = ["LastScale", "last_scale_name"]


class LastScale(FormulaMethod):
    """Score minus the share of the last (coarsest) scale in log p(x), in nats, summed over the group.

    The share is the log-determinant of that scale's steps plus the log-density of its latent under its prior;
    for 32x32 images and three scales it is the paper's "4x4" score.

    References:
        Understanding Anomaly Detection with Deep Invertible Networks through Hierarchies of Distributions and
        Features (Schirrmeister et al., 2020), equation 3; docs/methods.md, equation 4.
    """

    name: ClassVar[str] = "last_scale"
    summary: ClassVar[str] = "minus the last scale's share of log p(x)"
    requires: ClassVar[tuple[str, ...]] = ("log_prob.scale0",)
    requirement: ClassVar[str] = "likelihood statistics of a multi-scale model"

    def formula(self, statistics: Statistics) -> NDArray[np.float64]:
        return -statistics.value(last_scale_name(statistics))


def last_scale_name(statistics: Statistics, prefix: str = "") -> str:
    """Return the name of the last scale's share, which is the one with the highest number."""
    scales = sum(name.startswith(f"{prefix}log_prob.scale") for name in statistics.values)
    return f"{prefix}log_prob.scale{scales - 1}"
