"""What `python -m anomaly_methods.cache_statistics` does: keep statistics of several runs and sets."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from commands.common import existing_run, images_for_run
from commands.computing import KINDS, Computation, RunModel, computation_of
from commands.reporting import print_statistics

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["cache", "statistics_for"]

# What the second paper calls statistics that several methods share.
PAPER_NAMES = {"gradients_L2_norms": "gradients"}


def cache(arguments: argparse.Namespace) -> int:
    """Compute what is missing of every model, set and kind, and say where it is.

    Raises:
        ValueError: unknown names, a run of another family, or whatever makes statistics impossible.
    """
    _require_positive(arguments)
    kinds = statistics_for(arguments.anomaly_detection)
    computation = computation_of(arguments)
    models = [RunModel(existing_run(name), computation.device) for name in arguments.models]
    for model in models:
        _require_family(model.folder, arguments.family)
    for model in models:
        if arguments.model_mode == "train":
            _require_same_in_training_mode(computation, model, arguments.datasets[0])
        for spec in arguments.datasets:
            for kind in kinds:
                statistics = computation.statistics(model, spec, kind)
                print_statistics(spec, statistics, computation.path(model, spec, kind))
    _tell_other_roles(arguments.anomaly_detection)
    return 0


def statistics_for(names: Sequence[str]) -> list[str]:
    """Return the kinds of statistics that methods need, or that go by these names, each once.

    Raises:
        ValueError: there is no such name; the sentence lists the known ones.
    """
    from anomaly_methods.methods.registry import ALIASES, METHODS

    known = {**{kind: [kind] for kind in KINDS}, **{name: [kind] for name, kind in PAPER_NAMES.items()}}
    for name, method in METHODS.items():
        known[name] = [source.kind for source in method.sources.values()]
    known |= {alias: known[name] for alias, name in ALIASES.items()}
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            guess = f"did you mean {near[0]}? " if near else ""
            raise ValueError(f"There is no anomaly detection {name!r}: {guess}Known are {', '.join(known)}.")
    return list(dict.fromkeys(kind for name in names for kind in known[name]))


def _require_positive(arguments: argparse.Namespace) -> None:
    """Refuse sizes by the names that they have on this command line."""
    for option, value in (("batch_size", arguments.group_size), ("images_at_once", arguments.batch_size)):
        if value < 1:
            raise ValueError(f"--{option} must be at least 1, got {value}.")


def _require_family(run: Path, family: str) -> None:
    from invglow.sections import TEXT, read_section
    from models.registry import FAMILIES

    if family not in FAMILIES:
        raise ValueError(f"There is no model family {family!r}: known are {', '.join(FAMILIES)}.")
    found = read_section(run, "model", family=TEXT)["family"]
    if found != family:
        raise ValueError(f"{run} is a run of the family {found}, not {family}: name {found} before it.")


def _require_same_in_training_mode(computation: Computation, model: RunModel, spec: str) -> None:
    """Check a model on the first images of a set."""
    from anomaly_methods.extractors.training_mode import require_same_in_training_mode
    from invglow.data.preprocessing import dequantize

    images = images_for_run(
        model.folder, spec, computation.split, grey=computation.grey, download=computation.download
    )
    first = images.batch(range(min(len(images), 2))).to(computation.device)
    require_same_in_training_mode(model.model, dequantize(first))


def _tell_other_roles(names: Sequence[str]) -> None:
    """Say which methods compare the model with others, whose statistics are wanted too."""
    from anomaly_methods.methods.registry import ALIASES, METHODS

    methods = [METHODS[ALIASES.get(name, name)] for name in names if ALIASES.get(name, name) in METHODS]
    for method in methods:
        roles = {source.role for source in method.sources.values()} - {"specific"}
        if roles:
            print(
                f"{method.name} also needs statistics of: {', '.join(sorted(roles))}. Name that run as a "
                "MODEL too, or have main.py evaluate compute them."
            )
