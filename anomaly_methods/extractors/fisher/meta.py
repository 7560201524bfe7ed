"""Where an estimate of the Fisher information comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

__all__ = ["ESTIMATOR_VERSION", "FisherMeta", "require_same_estimate"]

ESTIMATOR_VERSION = 1
"""Raised whenever the estimate for the same model from the same images changes."""


@dataclass(frozen=True)
class FisherMeta:
    """The provenance of an estimate."""

    structure: str
    """Which blocks: a name in `STRUCTURES`."""
    model: str
    """For people; `checkpoint_sha256` is what counts."""
    checkpoint_sha256: str
    source: str
    """"data": images that the model was trained on; "samples": images that it drew itself."""
    dataset: str
    """Name of the set that images are chosen from, for people; empty for samples."""
    dataset_sha256: str
    """Hash of that whole set; empty for samples."""
    images: int
    """How many images the gradients are of."""
    seed: int
    """Names which images of the set, or which samples."""
    evaluation: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the model that were not those of its run."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What else changes the estimate, as in the settings of statistics."""
    estimator_version: int = ESTIMATOR_VERSION
    versions: Mapping[str, str] = field(default_factory=dict)
    """Of the libraries; for people."""

    def to_json(self) -> dict[str, Any]:
        """Return the same as plain JSON types."""
        return asdict(self)

    @classmethod
    def from_json(cls, entries: Mapping[str, Any]) -> FisherMeta:
        """Return the meta that `to_json` described.

        Raises:
            TypeError: an entry is missing or unknown.
        """
        entries = {"evaluation": {}, "settings": {}, **entries}  # which the first files do not have
        known = {item.name for item in fields(cls)}
        if known != set(entries):
            raise TypeError(f"missing or unknown entries: {', '.join(sorted(known ^ set(entries)))}")
        return cls(**entries)


_IDENTITY = (
    "structure",
    "estimator_version",
    "checkpoint_sha256",
    "source",
    "dataset_sha256",
    "images",
    "seed",
    "evaluation",
    "settings",
)


def require_same_estimate(found: FisherMeta, wanted: FisherMeta, where: object) -> None:
    """Refuse an estimate that is not the one wanted.

    Raises:
        ValueError: naming the first field that differs, and both values.
    """
    for name in _IDENTITY:
        there, here = getattr(found, name), getattr(wanted, name)
        if there != here:
            raise ValueError(
                f"{where} holds another Fisher information than asked for: {name} is {there!r} "
                f"(model {found.model!r}) instead of {here!r} (model {wanted.model!r}); "
                "have it estimated again (--recompute), or delete the file."
            )
