"""What is shown of statistics: log f_l of squared gradient norms f_l, and log-likelihoods as they are."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anomaly_methods.fisher_options import FISHER_KINDS
from anomaly_methods.kinds import statistics_for
from anomaly_methods.meta import StatisticsMeta
from anomaly_methods.statistics import Statistics
from plots.paper_request import PaperRequest

__all__ = [
    "SQUARED_NORMS",
    "FeaturePanel",
    "chosen_names",
    "feature_panels",
    "kind_of",
    "models_text",
    "quantity",
    "rows_text",
]

Values = NDArray[np.float64]

SQUARED_NORMS = ("gradients", *FISHER_KINDS)
"""Kinds of statistics of which the logarithm is shown, one value per parameter tensor."""


@dataclass(frozen=True)
class FeaturePanel:
    """One statistic under one model.

    Attributes:
        model: what to call the model.
        name: of the statistic, such as that of a parameter tensor.
        sets: {set: values (N,)}, the in-distribution set first.
        meta: of the in-distribution statistics.
        axis: the quantity and its unit; without, what `quantity` says of the statistics.
        note: more to say above the panel.
    """

    model: str
    name: str
    sets: Mapping[str, Values]
    meta: StatisticsMeta
    axis: str = ""
    note: str = ""

    @property
    def in_distribution(self) -> str:
        """Name of the in-distribution set."""
        return next(iter(self.sets))

    @property
    def is_empty(self) -> bool:
        """Whether no value is finite, as where a parameter tensor has no gradient."""
        return not any(np.isfinite(values).any() for values in self.sets.values())


def kind_of(method: str) -> str:
    """Return the one kind of statistics that a method, or a name of statistics, stands for.

    Raises:
        ValueError: it needs several, whose values cannot stand on one axis.
    """
    kinds = statistics_for([method])
    if len(kinds) != 1:
        raise ValueError(
            f"{method} is made of {len(kinds)} kinds of statistics ({', '.join(kinds)}): name one of them."
        )
    return kinds[0]


def feature_panels(
    request: PaperRequest, count: int | None = None, names: Sequence[str] = ()
) -> list[FeaturePanel]:
    """Return a panel for each model and statistic, model by model.

    Args:
        request: with one method.
        count: how many statistics, drawn with the seed of the request; None for all.
        names: or these.

    Raises:
        ValueError: statistics were not computed alike, or there are none of a name.
    """
    kind = kind_of(request.methods[0])
    found = [(model, request.statistics(model, kind)) for model in request.models]
    chosen = chosen_names(
        [list(next(iter(sets.values())).values) for _, sets in found], count, names, request.seed
    )
    return [_panel(model.name, sets, name) for model, sets in found for name in chosen]


def chosen_names(
    available: Sequence[Sequence[str]], count: int | None, names: Sequence[str] = (), seed: int = 0
) -> list[str]:
    """Return which statistics to show, in the order of the model.

    Args:
        available: names of each model; only those that all have can be shown.
        count: how many to draw at random; None for all.
        names: or these, in this order.
        seed: of the draw.

    Raises:
        ValueError: there is none of a name (the sentence lists close ones), or fewer than `count`.
    """
    common = [name for name in available[0] if all(name in others for others in available[1:])]
    for name in names:
        if name not in common:
            close = difflib.get_close_matches(name, common, n=3, cutoff=0.3) or common[:3]
            raise ValueError(
                f"There is no statistic {name!r} of {len(common)}: close are {', '.join(close)}."
            )
    if names:
        return list(names)
    if not common:
        raise ValueError("The models have no statistic of one name in common: draw a figure of each.")
    if count is None:
        return common
    if not 1 <= count <= len(common):
        raise ValueError(f"--n_statistics must be between 1 and {len(common)}, got {count}.")
    places = np.random.default_rng(seed).choice(len(common), count, replace=False)
    return [common[place] for place in sorted(places)]


def quantity(meta: StatisticsMeta) -> str:
    """Return the name and the unit of what is shown, for an axis."""
    if meta.kind == "gradients":
        return "log squared gradient norm (log nats²)"
    if meta.kind in FISHER_KINDS:
        return "log squared gradient norm in the Fisher metric (no unit)"
    return f"{meta.kind.replace('_', ' ')} ({meta.unit})"


def models_text(names: Iterable[str]) -> str:
    """Return the models that a figure is about, each once: "model a" or "models a, b"."""
    found = list(dict.fromkeys(names))
    return f"model{'s' if len(found) > 1 else ''} {', '.join(found)}"


def rows_text(meta: StatisticsMeta) -> str:
    """Return what a row is about: "images" or "groups of 5 images"."""
    return "images" if meta.group_size == 1 else f"groups of {meta.group_size} images"


def _panel(model: str, sets: Mapping[str, Statistics], name: str) -> FeaturePanel:
    meta = next(iter(sets.values())).meta
    values = {spec: _feature(statistics, name) for spec, statistics in sets.items()}
    return FeaturePanel(model, name, values, meta)


def _feature(statistics: Statistics, name: str) -> Values:
    values = statistics.value(name)
    if statistics.meta.kind not in SQUARED_NORMS:
        return values
    with np.errstate(divide="ignore", invalid="ignore"):  # the logarithm of 0 is counted as not finite
        return np.log(values)
