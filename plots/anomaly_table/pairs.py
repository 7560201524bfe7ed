"""AUROCs of methods on pairs of sets: what the tables are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from anomaly_methods.metrics import Separation, separation
from plots.scoring import ScoredSets
from plots.style import short_name
from plots.summary_statistic_histograms.features import models_text, rows_text

__all__ = ["SUMMARIES", "Pair", "caption_of", "pairs_of", "summary_of"]

SUMMARIES = ("mean", "lower quartile", "median", "upper quartile")
"""What `summary_of` returns."""


@dataclass(frozen=True)
class Pair:
    """One method on one pair of sets under one model."""

    model: str
    method: str
    in_distribution: str
    out_of_distribution: str
    separation: Separation

    def entry(self) -> dict[str, object]:
        """Return the numbers, unrounded, for a CSV."""
        found = self.separation
        return {
            "model": self.model,
            "method": self.method,
            "in_distribution": self.in_distribution,
            "out_of_distribution": self.out_of_distribution,
            "auroc": found.auroc,
            "auroc_low": found.auroc_low,
            "auroc_high": found.auroc_high,
            "n_in": found.n_in,
            "n_out": found.n_out,
            "nonfinite": found.nonfinite,
        }


def pairs_of(scored: Sequence[ScoredSets], *, resamples: int = 200, seed: int = 0) -> list[Pair]:
    """Return every pair, model by model, with a bootstrap interval of its AUROC.

    Raises:
        ValueError: two models have one name and one in-distribution set, so that rows look the same.
    """
    _require_told_apart(scored)
    pairs = []
    for item in scored:
        inside = item.sets[item.in_distribution]
        for name in item.out_of_distribution:
            found = separation(inside, item.sets[name], nonfinite="anomalous", resamples=resamples, seed=seed)
            pairs.append(
                Pair(item.model, item.method, short_name(item.in_distribution), short_name(name), found)
            )
    return pairs


def _require_told_apart(scored: Sequence[ScoredSets]) -> None:
    names = [(item.model, item.method, short_name(item.in_distribution)) for item in scored]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(
                f"Two rows of the table would be called {' '.join(name)}: make a table for each model."
            )


def summary_of(aurocs: Sequence[float]) -> Mapping[str, float]:
    """Return the mean and the quartiles over pairs."""
    quartiles = np.quantile(aurocs, [0.25, 0.5, 0.75])
    return dict(zip(SUMMARIES, (float(np.mean(aurocs)), *map(float, quartiles)), strict=True))


def caption_of(scored: Sequence[ScoredSets], pairs: Sequence[Pair]) -> str:
    """Return what a table shows: models, groups, numbers of images."""
    meta = scored[0].meta
    sizes = [size for pair in pairs for size in (pair.separation.n_in, pair.separation.n_out)]
    count = f"{min(sizes):,}" if min(sizes) == max(sizes) else f"{min(sizes):,} to {max(sizes):,}"
    bad = sum(item.nonfinite for item in scored)
    note = f" {bad:,} scores that are not finite count as the most anomalous." if bad else ""
    return (
        f"AUROC of {models_text(pair.model for pair in pairs)}; {count} {rows_text(meta)} of each set "
        f"({meta.split}); log p is {meta.bounds}.{note}"
    )
