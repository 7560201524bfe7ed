"""All that both papers look at, in one detector."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from anomaly_methods.methods.base import AnomalyMethod
from anomaly_methods.methods.fishers_combination import FishersCombination
from anomaly_methods.methods.gradients_gaussian import GradientsGaussian
from anomaly_methods.methods.last_scale_ratio import LastScaleRatio
from anomaly_methods.methods.likelihood_ratio import LikelihoodRatio
from anomaly_methods.methods.sources import (
    GENERAL_LIKELIHOOD,
    SPECIFIC_GRADIENTS,
    SPECIFIC_LIKELIHOOD,
    Source,
)
from anomaly_methods.methods.typicality import Typicality

__all__ = ["Combined", "CombinedWithoutGradients"]


class Combined(FishersCombination):
    """Score `-2 sum log p` of likelihood ratio, last-scale ratio, typicality and gradient density.

    The members were chosen for what they look at, before any anomaly was seen, and count alike: both
    hierarchies, the likelihood from both sides, and the gradients.

    References:
        Members: Understanding Anomaly Detection with Deep Invertible Networks through Hierarchies of
        Distributions and Features (Schirrmeister et al., 2020); Detecting Out-of-Distribution Inputs to Deep
        Generative Models Using Typicality (Nalisnick et al., 2019); Approximations to the Fisher Information
        Metric of Deep Generative Models for Out-Of-Distribution Detection (Dauncey et al., 2024).
    """

    name: ClassVar[str] = "combined"
    summary: ClassVar[str] = "both ratios, typicality and gradient density by Fisher's method"
    sources: ClassVar[Mapping[str, Source]] = {
        "specific": SPECIFIC_LIKELIHOOD,
        "general": GENERAL_LIKELIHOOD,
        "specific_gradients": SPECIFIC_GRADIENTS,
    }
    requirement: ClassVar[str] = "likelihood statistics of two multi-scale models, and gradients statistics"

    @property
    def members(self) -> Sequence[AnomalyMethod]:
        return LikelihoodRatio(), LastScaleRatio(), Typicality(), GradientsGaussian()


class CombinedWithoutGradients(FishersCombination):
    """Score `-2 sum log p` of likelihood ratio, last-scale ratio and typicality: `Combined`, less gradients.

    It has a name of its own, so that no table takes it for the other.

    References:
        As for `Combined`.
    """

    name: ClassVar[str] = "combined_without_gradients"
    summary: ClassVar[str] = "both ratios and typicality by Fisher's method"
    sources: ClassVar[Mapping[str, Source]] = {"specific": SPECIFIC_LIKELIHOOD, "general": GENERAL_LIKELIHOOD}
    requirement: ClassVar[str] = "likelihood statistics of two multi-scale models"

    @property
    def members(self) -> Sequence[AnomalyMethod]:
        return LikelihoodRatio(), LastScaleRatio(), Typicality()
