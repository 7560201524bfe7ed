"""What a set of statistics is about: which model, which images, computed how."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

__all__ = ["COMPLEXITY_KINDS", "JOB_FIELDS", "MODEL_FIELDS", "StatisticsMeta", "differences"]

MODEL_FIELDS = (
    "kind",
    "extractor_version",
    "checkpoint_sha256",
    "image_shape",
    "group_size",
    "preprocessing",
    "noise_draws",
    "settings",
)
"""What must agree before two sets of statistics may be compared number by number."""

JOB_FIELDS = (*MODEL_FIELDS, "seed", "dataset_sha256", "split")
"""What must agree before one set of statistics may stand for another: the same computation."""

COMPLEXITY_KINDS: Mapping[str, str] = {
    "complexity": "png",
    "complexity_webp": "webp",
    "complexity_jpeg2000": "jpeg2000",
    "complexity_jpeg_ls": "jpeg_ls",
}
"""{kind: codec} of the statistics that no model has a part in."""

_TEXTS = (
    "kind",
    "model",
    "checkpoint_sha256",
    "dataset",
    "dataset_sha256",
    "split",
    "preprocessing",
    "unit",
    "evaluation",
)
_MAPPINGS = ("settings", "details", "versions", "sources")
_LEAST_COUNTS = {"group_size": 1, "extractor_version": 1, "seed": 0, "noise_draws": 0, "dropped": 0}
_LATER: Mapping[str, Any] = {"seconds": None, "evaluation": ""}  # entries that the first files do not have
_BOUNDS = ("exact", "elbo", "surrogate", "none")
_DIMENSIONS = 3


@dataclass(frozen=True)
class StatisticsMeta:
    """The provenance that travels with every set of statistics; wrong types are refused at once.

    Raises:
        ValueError: a field has the wrong type or an impossible value.
    """

    kind: str
    """Name of the extractor, for example "likelihood"."""
    model: str
    """The model as the user named it, for people to read; `checkpoint_sha256` is what counts."""
    checkpoint_sha256: str
    bound: str
    """What the model's `log_prob` is: "exact", "elbo" or "surrogate"; "none" where no model is involved."""
    dataset: str
    dataset_sha256: str
    """Hash of the pixels that were used, so also of a limit on their number."""
    split: str
    image_shape: tuple[int, int, int]
    """(C, H, W)."""
    preprocessing: str
    group_size: int = 1
    """Images per row; `index` holds the position of the first of each group."""
    unit: str = "nats"
    seed: int = 0
    noise_draws: int = 0
    """0: images at the centres of their bins; n: every value is the mean over n draws of uniform noise."""
    dropped: int = 0
    """Images at the end of the set that did not fill a group."""
    seconds: float | None = None
    """Time that computing all values took, of interrupted runs too; None where nobody looked at a clock."""
    extractor_version: int = 1
    evaluation: str = ""
    """How the model's `log_prob` was evaluated, such as "importance-weighted, 8 codes"; for people."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What else the extractor was told; statistics with other settings are other statistics. JSON types.
    "evaluation" among them holds the settings of the model that were not the run's own."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """What the extractor has to say about its values, for example the size of each tensor. JSON types."""
    versions: Mapping[str, str] = field(default_factory=dict)
    sources: Mapping[str, StatisticsMeta] = field(default_factory=dict)
    """Of joined statistics (methods/sources.py): where the values under each prefix come from."""

    def __post_init__(self) -> None:
        for name in _TEXTS:
            _require(isinstance(getattr(self, name), str), name, "text", getattr(self, name))
        for name in _MAPPINGS:
            _require(isinstance(getattr(self, name), Mapping), name, "a mapping", getattr(self, name))
        for name, least in _LEAST_COUNTS.items():
            value = getattr(self, name)
            _require(_is_count(value, least), name, f"a whole number >= {least}", value)
        _require(self.bound in _BOUNDS, "bound", f"one of {', '.join(_BOUNDS)}", self.bound)
        _require(_is_time(self.seconds), "seconds", "a time or nothing", self.seconds)
        shape: object = self.image_shape
        proper = isinstance(shape, tuple) and len(shape) == _DIMENSIONS
        proper = proper and all(_is_count(size, 1) for size in self.image_shape)
        _require(proper, "image_shape", "(channels, height, width)", shape)

    @property
    def bounds(self) -> str:
        """The bound of every model involved, for tables: "exact", or "elbo/exact" when they differ."""
        found = {meta.bound for meta in self.sources.values() or [self]}
        return "/".join(sorted(found - {"none"})) or "none"

    @property
    def evaluations(self) -> str:
        """How `log_prob` of every model involved was evaluated, where that was said."""
        found = {meta.evaluation for meta in self.sources.values() or [self]}
        return " / ".join(sorted(found - {""}))

    def to_json(self) -> dict[str, Any]:
        """Return the same as plain JSON types."""
        entries = {item.name: getattr(self, item.name) for item in fields(self)}
        entries["image_shape"] = list(self.image_shape)
        entries["sources"] = {name: meta.to_json() for name, meta in self.sources.items()}
        return entries

    @classmethod
    def from_json(cls, entries: Mapping[str, Any]) -> StatisticsMeta:
        """Return the meta that `to_json` described.

        Raises:
            ValueError: an entry is missing, unknown or of the wrong type.
        """
        entries = {**_LATER, **entries}
        known = {item.name for item in fields(cls)}
        if known != set(entries):
            odd = ", ".join(sorted(known ^ set(entries)))
            raise ValueError(f"The meta of statistics has missing or unknown entries: {odd}.")
        sources = {name: cls.from_json(meta) for name, meta in entries["sources"].items()}
        return cls(**{**entries, "image_shape": tuple(entries["image_shape"]), "sources": sources})


def differences(
    one: StatisticsMeta, other: StatisticsMeta, names: tuple[str, ...]
) -> dict[str, tuple[Any, Any]]:
    """Return {field: (value of one, value of other)} for the fields among `names` that differ."""
    pairs = {name: (getattr(one, name), getattr(other, name)) for name in names}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def _is_count(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _is_time(value: object) -> bool:
    if value is None:
        return True
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf


def _require(holds: bool, name: str, wanted: str, value: object) -> None:
    if not holds:
        raise ValueError(f"In the meta of statistics, {name} must be {wanted}, got {value!r}.")
