"""The shares of the scales of a flow in the likelihood, in and out of distribution."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anomaly_methods.methods.base import require_comparable
from anomaly_methods.metrics import auroc
from anomaly_methods.statistics import Statistics

__all__ = ["ScaleShare", "scale_shares"]

TOTAL = "total"


@dataclass(frozen=True)
class ScaleShare:
    """What one scale, or all of them, contributes to log p(x) of one image set, in nats."""

    dataset: str
    scale: str
    """Number of the scale, 0 the finest, or "total"."""
    mean: float
    std: float
    difference: float
    """Mean minus that of the first, the in-distribution set."""
    of_difference: float
    """The same as a fraction of the difference in total; NaN for the in-distribution set."""
    auroc: float
    """Of minus the share as a score against the in-distribution set; NaN for that set itself."""
    n: int


def scale_shares(sets: Sequence[Statistics]) -> list[ScaleShare]:
    """Return the shares of every scale and the total on every set, the in-distribution set first.

    Raises:
        ValueError: there is no set, one has no scales, models differ, or values are not finite.

    References:
        Schirrmeister et al. (2020), equation 3; docs/analyses.md, equation 2.
    """
    if not sets:
        raise ValueError("Shares of scales need the statistics of at least one image set, got none.")
    inside = _shares(sets[0])
    rows = []
    for place, statistics in enumerate(sets):
        require_comparable(sets[0].meta, statistics.meta)
        found = _shares(statistics)
        total = float(found[TOTAL].mean() - inside[TOTAL].mean())
        for scale, values in found.items():
            rows.append(_row(statistics, scale, values, inside[scale] if place else None, total))
    return rows


def _row(
    statistics: Statistics,
    scale: str,
    values: NDArray[np.float64],
    inside: NDArray[np.float64] | None,
    total: float,
) -> ScaleShare:
    difference = 0.0 if inside is None else float(values.mean() - inside.mean())
    return ScaleShare(
        dataset=statistics.meta.dataset,
        scale=scale,
        mean=float(values.mean()),
        std=float(values.std()),
        difference=difference,
        of_difference=float("nan") if inside is None or total == 0 else difference / total,
        auroc=float("nan") if inside is None else auroc(-inside, -values),
        n=len(values),
    )


def _shares(statistics: Statistics) -> dict[str, NDArray[np.float64]]:
    """Return {scale: shares (N,)}, finest first, and the total."""
    numbers = sorted(
        int(m[1]) for name in statistics.values if (m := re.fullmatch(r"log_prob\.scale(\d+)", name))
    )
    if not numbers:
        raise ValueError(
            f"Shares of scales need likelihood statistics of a multi-scale model, but those of "
            f"{statistics.meta.model!r} have no scales."
        )
    found = {str(number): statistics.value(f"log_prob.scale{number}") for number in numbers}
    found[TOTAL] = statistics.value("log_prob")
    bad = len(statistics) - int(np.count_nonzero(statistics.finite_rows()))
    if bad or not len(statistics):
        raise ValueError(
            f"{bad} of {len(statistics)} rows of {statistics.meta.dataset} have likelihoods that are NaN or "
            "infinite: leave them out, or train further."
        )
    return found
