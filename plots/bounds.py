"""Likelihoods in the unit that they may be called by: bits per dimension, a bound on them, or a surrogate."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from anomaly_methods.statistics import Statistics, StatisticsMeta

__all__ = ["BOUNDED", "difference_axis", "likelihood_axis", "scored"]

BOUNDED = frozenset({"vae", "diffusion"})
"""Families whose bits per dimension, where they have any, are an upper bound, by an ELBO."""


def scored(statistics: Statistics) -> NDArray[np.float64]:
    """Return `8 - log p / (D ln 2)` of each row, (N,), or `-log p` where that is no likelihood.

    D are the dimensions of one image: a row about several images holds a sum.
    """
    values = statistics.value("log_prob")
    if statistics.meta.bound == "surrogate":
        return -values
    return 8 - values / (math.prod(statistics.meta.image_shape) * math.log(2))


def likelihood_axis(meta: StatisticsMeta) -> str:
    """Name the quantity that `scored` returns, and its unit."""
    how = f": {meta.evaluation}" if meta.evaluation else ""
    if meta.bound == "surrogate":
        return f"loss (surrogate, no likelihood{how})"
    return "bits per dimension" + (f" (upper bound, ELBO{how})" if meta.bound == "elbo" else "")


def difference_axis(one: StatisticsMeta, other: StatisticsMeta) -> str:
    """Name the difference of what `scored` returns of two models.

    Raises:
        ValueError: one is a likelihood and the other is none, so that they differ in unit.
    """
    if (one.bound == "surrogate") != (other.bound == "surrogate"):
        raise ValueError(
            f"A likelihood and a surrogate of one have no unit in common: {one.model!r} is {one.bound!r} and "
            f"{other.model!r} is {other.bound!r}. Evaluate both models in the same way."
        )
    if one.bound == other.bound:
        return likelihood_axis(one)
    words = {"elbo": "an upper bound, ELBO", "exact": "exact"}
    return f"bits per dimension ({words[one.bound]}, minus {words[other.bound]})"
