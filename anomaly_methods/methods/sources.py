"""Where the values of a method come from, and joining statistics of the same images under two models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from anomaly_methods.meta import COMPLEXITY_KINDS, differences
from anomaly_methods.statistics import Statistics, StatisticsMeta

__all__ = [
    "ENSEMBLE_LIKELIHOODS",
    "GENERAL_GRADIENTS",
    "GENERAL_LIKELIHOOD",
    "SPECIFIC_FISHER_DIAGONAL",
    "SPECIFIC_FISHER_KRONECKER",
    "SPECIFIC_GRADIENTS",
    "SPECIFIC_LIKELIHOOD",
    "Source",
    "SourceStatistics",
    "assemble",
    "complexity_by",
    "ensemble",
    "joined",
    "likelihoods",
    "paired",
    "taken_apart",
]

_SAME_IMAGES = ("dataset_sha256", "split", "image_shape", "group_size")
_SAME_COMPUTATION = ("extractor_version", "preprocessing", "noise_draws", "seed", "settings")


class Source(NamedTuple):
    """One kind of statistics of one of the models: the specific one, the general one, or an ensemble.

    Code lengths, which no model has a part in, count to the specific model.
    """

    role: str
    kind: str


SPECIFIC_LIKELIHOOD = Source("specific", "likelihood")
GENERAL_LIKELIHOOD = Source("general", "likelihood")
SPECIFIC_GRADIENTS = Source("specific", "gradients")
GENERAL_GRADIENTS = Source("general", "gradients")
SPECIFIC_FISHER_DIAGONAL = Source("specific", "fisher_diagonal")
SPECIFIC_FISHER_KRONECKER = Source("specific", "fisher_kronecker")
ENSEMBLE_LIKELIHOODS = Source("ensemble", "likelihood")

SourceStatistics = Mapping[Source, Statistics]
"""All there is about one image set."""


def likelihoods(specific: Statistics, general: Statistics | None = None) -> dict[Source, Statistics]:
    """Return likelihood statistics of one image set in the form that `assemble` and `evaluate` take."""
    found = {SPECIFIC_LIKELIHOOD: specific}
    if general is not None:
        found[GENERAL_LIKELIHOOD] = general
    return found


def complexity_by(codec: str) -> Source:
    """Return the source of code lengths by an image codec, one of the values of `COMPLEXITY_KINDS`."""
    kinds = {codec: kind for kind, codec in COMPLEXITY_KINDS.items()}
    return Source("specific", kinds[codec])


def ensemble(members: Sequence[Statistics]) -> Statistics:
    """Join statistics of the same images under K >= 2 different models; values become `modelK/...`, from 1.

    The meta is that of the first, but for `model`, which names them all. Under `ENSEMBLE_LIKELIHOODS` the
    result is what methods on ensembles take.

    Raises:
        ValueError: there are fewer than two, two are of the same model, or they do not belong together.
    """
    if len(members) < 2:
        raise ValueError(f"An ensemble needs at least 2 models, got {len(members)}.")
    seen: dict[str, StatisticsMeta] = {}
    for meta in (member.meta for member in members):
        if (other := seen.get(meta.checkpoint_sha256)) is not None:
            raise ValueError(
                f"An ensemble needs different models, but {other.model!r} and {meta.model!r} have the same "
                f"weights (checkpoint {_short(meta.checkpoint_sha256)}): leave one of them out."
            )
        seen[meta.checkpoint_sha256] = meta
    found = joined({f"model{number}": member for number, member in enumerate(members, start=1)})
    names = " + ".join(meta.model for meta in seen.values())
    return Statistics(found.values, found.index, replace(found.meta, model=names))


def _require_by_source(found: object) -> None:
    if not isinstance(found, Mapping):
        raise ValueError(
            f"This takes statistics by source, as likelihoods(...) returns, but got {type(found).__name__}."
        )


def assemble(sources: Mapping[str, Source], available: SourceStatistics) -> Statistics:
    """Return the statistics of one source as they are, or of several joined under the keys of `sources`.

    Raises:
        ValueError: a source is not among those available, or they do not fit together.
    """
    _require_by_source(available)
    for role, kind in sources.values():
        if (role, kind) not in available:
            raise ValueError(
                f"This needs {kind} statistics of the {role} model, but got none: name that model."
            )
    if len(sources) == 1:
        return available[next(iter(sources.values()))]
    _require_one_model_per_role([(source, available[source].meta) for source in sources.values()])
    return joined({key: available[source] for key, source in sources.items()})


def taken_apart(statistics: Statistics, sources: Mapping[str, Source]) -> dict[Source, Statistics]:
    """Return the parts that `assemble` made these statistics of, with the rows that are left of them.

    Raises:
        ValueError: the statistics were joined under other keys.
    """
    if len(sources) == 1:
        return {next(iter(sources.values())): statistics}
    if set(sources) != set(statistics.meta.sources):
        raise ValueError(
            f"Statistics joined of {sorted(sources)} are needed, but these join "
            f"{sorted(statistics.meta.sources) or 'nothing'}."
        )
    return {source: _part(statistics, key) for key, source in sources.items()}


def paired(specific: Statistics, general: Statistics) -> Statistics:
    """Join statistics of the same images under two models; values become `specific/...` and `general/...`.

    Raises:
        ValueError: they are of different images or settings, or of one and the same model.
    """
    return joined({"specific": specific, "general": general})


def joined(parts: Mapping[str, Statistics]) -> Statistics:
    """Join several statistics of the same images; the values of each get its key and "/" before their names.

    The meta is that of the first part, with every part's own in `sources`.

    Raises:
        ValueError: the parts are of different images; or parts of one kind were computed in different ways
            or with one and the same model.
    """
    (first, one), *others = parts.items()
    for name, other in others:
        _require_same_images(first, one, name, other)
        if other.meta.kind == one.meta.kind:
            _require_other_model(first, one.meta, name, other.meta)
    values: dict[str, NDArray[np.float64]] = {}
    for key, part in parts.items():
        values |= {f"{key}/{name}": array for name, array in part.values.items()}
    metas = {key: part.meta for key, part in parts.items()}
    return Statistics(values, one.index, replace(one.meta, sources=metas))


def _part(statistics: Statistics, key: str) -> Statistics:
    prefix = f"{key}/"
    values = {n.removeprefix(prefix): v for n, v in statistics.values.items() if n.startswith(prefix)}
    return Statistics(values, statistics.index, statistics.meta.sources[key])


def _require_one_model_per_role(parts: Sequence[tuple[Source, StatisticsMeta]]) -> None:
    """All kinds of statistics of one role must be of one model; `joined` cannot know the roles."""
    seen: dict[str, tuple[Source, StatisticsMeta]] = {}
    for source, meta in parts:
        if source.kind in COMPLEXITY_KINDS:
            continue
        first, other = seen.setdefault(source.role, (source, meta))
        if meta.checkpoint_sha256 != other.checkpoint_sha256:
            raise ValueError(
                f"The {first.kind} and {source.kind} statistics of the {source.role} model must be of one "
                f"model, but checkpoint_sha256 is {_short(other.checkpoint_sha256)} ({other.model!r}) and "
                f"{_short(meta.checkpoint_sha256)} ({meta.model!r}): compute one of them again."
            )
        here, there = (one.settings.get("evaluation", {}) for one in (other, meta))
        if here != there:
            raise ValueError(
                f"The {first.kind} and {source.kind} statistics of the {source.role} model must be of one "
                f"evaluation of it, but the settings are {here or 'its own'} and {there or 'its own'}: "
                "compute one of them again."
            )


def _require_same_images(first: str, one: Statistics, second: str, other: Statistics) -> None:
    sets = f"{one.meta.dataset!r} and {other.meta.dataset!r}"
    for name, (here, there) in differences(one.meta, other.meta, _SAME_IMAGES).items():
        raise ValueError(
            f"The {first} and {second} statistics ({sets}) must be of the same images, but {name} is "
            f"{_short(here)} and {_short(there)}: compute both on one image set."
        )
    if not np.array_equal(one.index, other.index):
        raise ValueError(
            f"The {first} and {second} statistics ({sets}) must be of the same images in the same order, "
            f"but index differs ({len(one)} and {len(other)} rows): compute both on one image set."
        )


def _require_other_model(first: str, one: StatisticsMeta, second: str, other: StatisticsMeta) -> None:
    for name, (here, there) in differences(one, other, _SAME_COMPUTATION).items():
        raise ValueError(
            f"The {first} and {second} statistics must be computed in the same way, but {name} is "
            f"{_short(here)} and {_short(there)}: compute one of them again."
        )
    if one.checkpoint_sha256 == other.checkpoint_sha256:
        raise ValueError(
            f"The {first} and {second} statistics are of the same model (checkpoint "
            f"{_short(one.checkpoint_sha256)}, {one.model!r}), but two different ones are needed."
        )


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 40 else f"{text[:12]}..."
