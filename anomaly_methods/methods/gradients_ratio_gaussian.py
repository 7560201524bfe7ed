"""Both papers at once: the gradients of a specific model relative to those of a general one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from anomaly_methods.methods.gradient_norms import GradientMethod, LogNorms, ScoreFunction, log_norms
from anomaly_methods.methods.gradients_gaussian import independent_normals
from anomaly_methods.methods.sources import GENERAL_GRADIENTS, SPECIFIC_GRADIENTS, Source
from anomaly_methods.statistics import Statistics

__all__ = ["GradientsRatioGaussian"]


class GradientsRatioGaussian(GradientMethod):
    """Score `-sum_l log N(r_l; mu_l, sigma_l^2)`, r_l = log f_l(specific) - log f_l(general), same tensors l.

    What all natural images do to the gradients of a layer, they do to both models': the difference keeps what
    tells the in-distribution images from natural images in general.

    References:
        Approximations to the Fisher Information Metric of Deep Generative Models for Out-Of-Distribution
        Detection (Dauncey et al., 2024), for the norms; Understanding Anomaly Detection with Deep Invertible
        Networks through Hierarchies of Distributions and Features (Schirrmeister et al., 2020), for the
        hierarchy of distributions. Neither has the combination.
    """

    name: ClassVar[str] = "gradients_ratio_gaussian"
    summary: ClassVar[str] = "minus the sum over tensors of log N(log f_l specific - log f_l general)"
    sources: ClassVar[Mapping[str, Source]] = {"specific": SPECIFIC_GRADIENTS, "general": GENERAL_GRADIENTS}
    requirement: ClassVar[str] = "gradients statistics of two models"

    def features(self, statistics: Statistics) -> LogNorms:
        specific, general = (log_norms(statistics, f"{key}/") for key in self.sources)
        return LogNorms(specific.names, specific.values - general.values, specific.meta)

    def learn(self, reference: LogNorms) -> ScoreFunction:
        return independent_normals(reference.values)

    def _lack(self, statistics: Statistics) -> str | None:
        return super()._lack(statistics) or self._odd_tensors(statistics)

    def _odd_tensors(self, statistics: Statistics) -> str | None:
        """Say which tensors only one of the models has; tensors in another order are as odd."""
        specific, general = (
            [name.removeprefix(f"{key}/") for name in statistics.values if name.startswith(f"{key}/")]
            for key in self.sources
        )
        if specific == general and specific:
            return None
        odd = sorted(set(specific) ^ set(general))
        return (
            f"Method {self.name} needs two models of the same tensors, but the specific one has "
            f"{len(specific)} and the general one {len(general)}{', of which differ: ' if odd else ''}"
            f"{', '.join(odd[:3])}: train one from the other."
        )
