"""Every anomaly method by its name."""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from anomaly_methods.methods.base import AnomalyMethod
from anomaly_methods.methods.last_scale import LastScale
from anomaly_methods.methods.last_scale_ratio import LastScaleRatio
from anomaly_methods.methods.likelihood_ratio import LikelihoodRatio
from anomaly_methods.methods.raw_likelihood import RawLikelihood
from anomaly_methods.methods.sources import SourceStatistics
from anomaly_methods.methods.typicality import Typicality

__all__ = ["METHODS", "get_method", "usable_methods"]

METHODS: Mapping[str, AnomalyMethod] = {
    method.name: method
    for method in (RawLikelihood(), LikelihoodRatio(), LastScale(), LastScaleRatio(), Typicality())
}
"""{name: method}, in the order in which tables show them."""


def get_method(name: str) -> AnomalyMethod:
    """Return the method of this name.

    Raises:
        ValueError: there is none; the sentence names the close ones and all.
    """
    if name not in METHODS:
        close = difflib.get_close_matches(name, METHODS, n=2)
        guess = f"did you mean {' or '.join(close)}? " if close else ""
        raise ValueError(f"There is no method {name!r}: {guess}Known are {', '.join(METHODS)}.")
    return METHODS[name]


def usable_methods(available: SourceStatistics) -> list[AnomalyMethod]:
    """Return every method that these statistics are enough for."""
    return [method for method in METHODS.values() if method.unmet(available) is None]
