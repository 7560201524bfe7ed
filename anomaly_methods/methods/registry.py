"""Every anomaly method by its name."""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from anomaly_methods.methods.base import AnomalyMethod
from anomaly_methods.methods.combined import Combined, CombinedWithoutGradients
from anomaly_methods.methods.complexity_ratio import (
    ComplexityRatio,
    ComplexityRatioJpeg2000,
    ComplexityRatioJpegLs,
    ComplexityRatioWebp,
)
from anomaly_methods.methods.fisher_diagonal import FisherDiagonal, FisherDiagonalGaussian
from anomaly_methods.methods.fisher_kronecker import FisherKronecker, FisherKroneckerGaussian
from anomaly_methods.methods.fisher_typicality import FisherTypicality
from anomaly_methods.methods.gradients_chi_square import GradientsChiSquare
from anomaly_methods.methods.gradients_fishers_method import GradientsFishersMethod
from anomaly_methods.methods.gradients_gaussian import GradientsGaussian
from anomaly_methods.methods.gradients_gaussian_full import GradientsGaussianFull
from anomaly_methods.methods.gradients_isolation_forest import GradientsIsolationForest
from anomaly_methods.methods.gradients_naive import GradientsNaive
from anomaly_methods.methods.gradients_ratio_gaussian import GradientsRatioGaussian
from anomaly_methods.methods.gradients_score_test import GradientsScoreTest
from anomaly_methods.methods.gradients_svm import GradientsSvm
from anomaly_methods.methods.last_scale import LastScale
from anomaly_methods.methods.last_scale_ratio import LastScaleRatio
from anomaly_methods.methods.likelihood_ratio import LikelihoodRatio
from anomaly_methods.methods.raw_likelihood import RawLikelihood
from anomaly_methods.methods.sources import SourceStatistics
from anomaly_methods.methods.typicality import Typicality
from anomaly_methods.methods.waic import Waic

__all__ = ["ALIASES", "METHODS", "get_method", "usable_methods"]

METHODS: Mapping[str, AnomalyMethod] = {
    method.name: method
    for method in (
        RawLikelihood(),
        LikelihoodRatio(),
        LastScale(),
        LastScaleRatio(),
        Typicality(),
        ComplexityRatio(),
        ComplexityRatioWebp(),
        ComplexityRatioJpeg2000(),
        ComplexityRatioJpegLs(),
        Waic(),
        GradientsGaussian(),
        GradientsGaussianFull(),
        GradientsChiSquare(),
        GradientsFishersMethod(),
        GradientsNaive(),
        GradientsSvm(),
        GradientsIsolationForest(),
        GradientsScoreTest(),
        GradientsRatioGaussian(),
        FisherDiagonal(),
        FisherDiagonalGaussian(),
        FisherKronecker(),
        FisherKroneckerGaussian(),
        FisherTypicality(),
        CombinedWithoutGradients(),
        Combined(),
    )
}
"""{name: method}, in the order in which tables show them."""

ALIASES: Mapping[str, str] = {"likelihoods": "raw_likelihood", "raw_likelihoods": "raw_likelihood"}
"""{other name: name}: the second paper's names of methods that have another one here."""


def get_method(name: str) -> AnomalyMethod:
    """Return the method of this name or alias.

    Raises:
        ValueError: there is none; the sentence names the close ones and all.
    """
    known = [*METHODS, *ALIASES]
    if name not in known:
        close = difflib.get_close_matches(name, known, n=2)
        guess = f"did you mean {' or '.join(close)}? " if close else ""
        raise ValueError(f"There is no method {name!r}: {guess}Known are {', '.join(known)}.")
    return METHODS[ALIASES.get(name, name)]


def usable_methods(available: SourceStatistics) -> list[AnomalyMethod]:
    """Return every method that these statistics are enough for."""
    return [method for method in METHODS.values() if method.unmet(available) is None]
