"""Statistics of gradients that never saw a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anomaly_methods.meta import COMPLEXITY_KINDS
from anomaly_methods.methods.sources import (
    ENSEMBLE_LIKELIHOODS,
    GENERAL_GRADIENTS,
    GENERAL_LIKELIHOOD,
    SPECIFIC_FISHER_DIAGONAL,
    SPECIFIC_FISHER_KRONECKER,
    SPECIFIC_GRADIENTS,
    SPECIFIC_LIKELIHOOD,
    Source,
    complexity_by,
    ensemble,
)
from anomaly_methods.statistics import Statistics
from tests.anomaly_methods.examples import make_statistics

__all__ = ["OTHER", "SIZES", "all_sources", "make_gradients", "random_norms"]

OTHER = "b" * 64
SIZES = {"flow.conv.weight": 27, "flow.conv.bias": 3, "flow.actnorm.log_scale": 3, "flow.last.weight": 400}


def make_gradients(
    squared_norms: Mapping[str, ArrayLike], sizes: Mapping[str, int] = SIZES, **changes: Any
) -> Statistics:
    """Return gradients statistics of these f_l, with the tensors' sizes in the details."""
    details = {
        name: {"numel": sizes.get(name, 1), "shape": [sizes.get(name, 1)], "module": "Conv2d"}
        for name in squared_norms
    }
    return make_statistics(squared_norms, **{"kind": "gradients", "details": details, **changes})


def random_norms(
    rows: int, seed: int = 0, shift: float = 0.0, sizes: Mapping[str, int] = SIZES
) -> dict[str, NDArray[np.float64]]:
    """Return f_l whose logarithms are normals with a common part, so correlated; `shift` moves them."""
    generator = np.random.default_rng(seed)
    common = generator.normal(size=rows)
    return {
        name: np.exp(place + shift + common + (place + 1) * generator.normal(size=rows))
        for place, name in enumerate(sizes)
    }


def all_sources(
    dataset: str, rows: int, seed: int = 0, shift: float = 0.0, **changes: Any
) -> dict[Source, Statistics]:
    """Return likelihoods and gradients of both models, an ensemble and code lengths, all of one image set.

    `shift` makes it anomalous.
    """
    generator = np.random.default_rng([seed, 1])
    names = ("log_prob.scale0", "log_prob.scale1")

    def shares(moved: float) -> dict[str, NDArray[np.float64]]:
        found = {name: generator.normal(moved, size=rows) for name in names}
        return {"log_prob": found[names[0]] + found[names[1]], **found}

    specific = {"dataset": dataset, "dataset_sha256": dataset, **changes}
    general = {**specific, "checkpoint_sha256": OTHER, "model": "runs/general"}
    first = make_statistics(shares(-shift), **specific)
    others = {
        SPECIFIC_LIKELIHOOD: first,
        GENERAL_LIKELIHOOD: make_statistics(shares(0.0), **general),
        SPECIFIC_GRADIENTS: make_gradients(random_norms(rows, seed, shift), **specific),
        GENERAL_GRADIENTS: make_gradients(random_norms(rows, seed + 1000), **general),
        **_fisher(random_norms(rows, seed, shift), specific),
    }
    second = make_statistics(shares(-shift), **{**specific, "checkpoint_sha256": "c" * 64})
    return {
        **others,
        ENSEMBLE_LIKELIHOODS: ensemble([first, second]),
        **_code_lengths(generator, specific, rows),
    }


def _fisher(norms: Mapping[str, ArrayLike], fields: Mapping[str, Any]) -> dict[Source, Statistics]:
    sources = (SPECIFIC_FISHER_DIAGONAL, SPECIFIC_FISHER_KRONECKER)
    return {source: make_gradients(norms, **{**fields, "kind": source.kind}) for source in sources}


def _code_lengths(
    generator: np.random.Generator, fields: Mapping[str, Any], rows: int
) -> dict[Source, Statistics]:
    of_no_model = {**fields, "checkpoint_sha256": "none", "bound": "none"}
    return {
        complexity_by(codec): make_statistics(
            {"code_length": generator.normal(100, 1, size=rows)},
            **{**of_no_model, "kind": kind, "model": codec},
        )
        for kind, codec in COMPLEXITY_KINDS.items()
    }
