"""Rank correlation: whether models trained on different sets order images in the same way."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from anomaly_methods.methods.sources import joined
from anomaly_methods.statistics import Statistics

__all__ = ["RankCorrelation", "rank_correlations"]

ALL_SETS = "(all)"


@dataclass(frozen=True)
class RankCorrelation:
    """Spearman's correlation of the log-likelihoods of one image set under two models."""

    dataset: str
    """"(all)" where the images of all sets are ranked together."""
    model: str
    other: str
    spearman: float
    n: int


def rank_correlations(
    by_model: Mapping[str, Sequence[Statistics]], value: str = "log_prob"
) -> list[RankCorrelation]:
    """Return the correlations of every pair of models on every set, and on all sets together.

    Near 1, two models agree on which images are likely, whatever each of them was trained on: the likelihood
    is then about what all these images share.

    Args:
        by_model: {name: likelihood statistics of each image set}, the same sets in the same order for all.
        value: which values to rank, such as the share of one scale.

    Raises:
        ValueError: there are fewer than two models, the sets differ, or values are not finite, all the same,
            or fewer than three.

    References:
        Schirrmeister et al. (2020), figure 2 B. The proof and measurement of association between two things
        (Spearman, 1904). docs/analyses.md, equation 1.
    """
    if len(by_model) < 2:
        raise ValueError(f"Rank correlations need at least 2 models, got {len(by_model)}.")
    rows = []
    for (name, ours), (other, theirs) in itertools.combinations(by_model.items(), 2):
        if len(ours) != len(theirs):
            raise ValueError(f"{name} has statistics of {len(ours)} sets and {other} of {len(theirs)}.")
        pairs = [_pair(one, two, value) for one, two in zip(ours, theirs, strict=True)]
        named = [(statistics.meta.dataset, pair) for statistics, pair in zip(ours, pairs, strict=True)]
        if len(pairs) > 1:
            named.append((ALL_SETS, np.concatenate(pairs, axis=1)))
        rows += [
            RankCorrelation(dataset, name, other, _spearman(pair, dataset), pair.shape[1])
            for dataset, pair in named
        ]
    return rows


def _pair(one: Statistics, two: Statistics, value: str) -> NDArray[np.float64]:
    """Return the values of the same images under two models, (2, N)."""
    joined({"first": one, "second": two})  # refuses statistics that do not belong together
    return np.stack([one.value(value), two.value(value)])


def _spearman(pair: NDArray[np.float64], dataset: str) -> float:
    bad = int(np.count_nonzero(~np.isfinite(pair).all(axis=0)))
    if bad:
        raise ValueError(
            f"{bad} of {pair.shape[1]} images of {dataset} have likelihoods that are NaN or infinite."
        )
    if pair.shape[1] < 3 or (pair == pair[:, :1]).all(axis=1).any():
        raise ValueError(
            f"Ranking {dataset} needs at least 3 images that differ in likelihood, got {pair.shape[1]}."
        )
    return float(spearmanr(pair[0], pair[1]).statistic)
