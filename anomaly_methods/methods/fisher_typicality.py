"""Typicality and the score test, combined: the likelihood and its gradient."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from anomaly_methods.methods.base import AnomalyMethod
from anomaly_methods.methods.fishers_combination import FishersCombination
from anomaly_methods.methods.gradients_score_test import GradientsScoreTest
from anomaly_methods.methods.sources import SPECIFIC_GRADIENTS, SPECIFIC_LIKELIHOOD, Source
from anomaly_methods.methods.typicality import Typicality

__all__ = ["FisherTypicality"]


class FisherTypicality(FishersCombination):
    """Score `-2 (log p_typicality + log p_score test)`.

    Typicality looks at the likelihood, Rao's score test at its gradient: two sources of information. The
    Fisher information of the score test is isotropic for each tensor (`GradientsScoreTest`), which is what
    gradient norms can tell.

    References:
        Model-agnostic out-of-distribution detection using combined statistical tests (Bergamin et al., 2022),
        AISTATS, arXiv 2203.01097.
    """

    name: ClassVar[str] = "fisher_typicality"
    summary: ClassVar[str] = "typicality and score test, combined by Fisher's method"
    sources: ClassVar[Mapping[str, Source]] = {
        "specific": SPECIFIC_LIKELIHOOD,
        "specific_gradients": SPECIFIC_GRADIENTS,
    }
    requirement: ClassVar[str] = "likelihood and gradients statistics"

    @property
    def members(self) -> Sequence[AnomalyMethod]:
        return Typicality(), GradientsScoreTest()
