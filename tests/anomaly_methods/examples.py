"""Small statistics that the tests of this folder share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anomaly_methods.statistics import Statistics, StatisticsMeta

__all__ = ["make_meta", "make_statistics"]


def make_meta(**changes: Any) -> StatisticsMeta:
    """Return the meta of likelihoods of a small exact model, with some fields changed."""
    fields: dict[str, Any] = {
        "kind": "likelihood",
        "model": "runs/specific",
        "checkpoint_sha256": "a" * 64,
        "bound": "exact",
        "dataset": "cats",
        "dataset_sha256": "1" * 64,
        "split": "test",
        "image_shape": (3, 8, 8),
        "preprocessing": "bin centres",
    }
    return StatisticsMeta(**{**fields, **changes})


def make_statistics(values: Mapping[str, ArrayLike] | ArrayLike, **changes: Any) -> Statistics:
    """Return statistics with these values (by name, or of `log_prob` alone)."""
    named = values if isinstance(values, Mapping) else {"log_prob": values}
    arrays: dict[str, NDArray[np.float64]] = {n: np.asarray(v, np.float64) for n, v in named.items()}
    rows = len(next(iter(arrays.values())))
    return Statistics(arrays, np.arange(rows), make_meta(**changes))
