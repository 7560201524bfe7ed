"""The distribution over images of how far a flow carries small perturbations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from anomaly_methods.statistics import Statistics

__all__ = ["Moves", "moves"]

PERTURBED = {"input_moved": "latents", "latent_moved": "image"}


@dataclass(frozen=True)
class Moves:
    """How far one way of perturbing moves the other side, over the images of a set."""

    dataset: str
    perturbed: str
    """"latents": they are perturbed and the image moves; "image": the reverse."""
    scale: str
    """Which latents are perturbed, or are looked at: "total" or the number of one scale, 0 the finest."""
    norm: float
    """Of the perturbation."""
    mean: float
    q05: float
    median: float
    q95: float
    maximum: float
    nonfinite: int
    """Images left out of these numbers, since theirs are NaN or infinite."""
    n: int


def moves(sets: Sequence[Statistics]) -> list[Moves]:
    """Return one row for every kind of values of every set of perturbation statistics.

    Raises:
        ValueError: statistics are of another kind.
    """
    return [_row(statistics, name) for statistics in sets for name in statistics.values]


def _row(statistics: Statistics, name: str) -> Moves:
    meta = statistics.meta
    if meta.kind != "perturbation":
        raise ValueError(f"Moves are read off perturbation statistics, got {meta.kind} of {meta.dataset}.")
    way, _, scale = name.partition(".")
    values = statistics.value(name)
    finite = values[np.isfinite(values)]
    low, middle, high = np.quantile(finite, [0.05, 0.5, 0.95]) if len(finite) else [np.nan] * 3
    return Moves(
        dataset=meta.dataset,
        perturbed=PERTURBED[way],
        scale=scale.removeprefix("scale"),
        norm=float(meta.settings["norm"]),
        mean=float(finite.mean()) if len(finite) else np.nan,
        q05=float(low),
        median=float(middle),
        q95=float(high),
        maximum=float(finite.max()) if len(finite) else np.nan,
        nonfinite=len(values) - len(finite),
        n=len(finite),
    )
