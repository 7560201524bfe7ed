"""An ensemble of models: their mean likelihood, less what they disagree by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from anomaly_methods.methods.base import FormulaMethod
from anomaly_methods.methods.sources import ENSEMBLE_LIKELIHOODS, Source
from anomaly_methods.statistics import Statistics

__all__ = ["Waic"]


class Waic(FormulaMethod):
    """Score `-(E_k[log p_k(x)] - Var_k[log p_k(x)])` over the K >= 2 models of an ensemble.

    The mean is over the models, the variance unbiased (divisor K - 1), both of log p(x) in nats, summed over
    dimensions and over the group. As in the paper the two have unlike units (nats and nats squared), so for
    images of thousands of dimensions the variance weighs most.

    References:
        WAIC, but Why? Generative Ensembles for Robust Anomaly Detection (Choi et al., 2018), arXiv
        1810.01392; the unbiased variance as in Understanding predictive information criteria for Bayesian
        models (Gelman et al., 2014), their second p_WAIC; docs/methods.md, equation 8.
    """

    name: ClassVar[str] = "waic"
    summary: ClassVar[str] = "minus (mean - variance) of log p(x) over the models of an ensemble"
    sources: ClassVar[Mapping[str, Source]] = {"ensemble": ENSEMBLE_LIKELIHOODS}
    requires: ClassVar[tuple[str, ...]] = ("model1/log_prob", "model2/log_prob")
    requirement: ClassVar[str] = "likelihood statistics of an ensemble of at least two models"

    def formula(self, statistics: Statistics) -> NDArray[np.float64]:
        members = np.stack([statistics.value(f"{key}/log_prob") for key in statistics.meta.sources])
        scores: NDArray[np.float64] = members.var(axis=0, ddof=1) - members.mean(axis=0)
        return scores
