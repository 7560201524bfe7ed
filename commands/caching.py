"""What `python -m anomaly_methods.cache_statistics` does: keep statistics of several runs and sets."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from anomaly_methods.kinds import statistics_for
from commands.common import images_for_run, require_family
from commands.computing import Computation, RunModel, computation_of
from commands.reporting import print_statistics

__all__ = ["cache"]


def cache(arguments: argparse.Namespace) -> int:
    """Compute what is missing of every model, set and kind, and say where it is.

    Raises:
        ValueError: unknown names, a run of another family, or whatever makes statistics impossible.
    """
    _require_positive(arguments)
    kinds = statistics_for(arguments.anomaly_detection)
    computation = computation_of(arguments)
    models = [computation.run(name) for name in arguments.models]
    for model in models:
        require_family(model.folder, arguments.family)
    for model in models:
        if arguments.model_mode == "train":
            _require_same_in_training_mode(computation, model, arguments.datasets[0])
        for spec in arguments.datasets:
            for kind in kinds:
                statistics = computation.statistics(model, spec, kind)
                print_statistics(spec, statistics, computation.path(model, spec, kind))
    _tell_other_roles(arguments.anomaly_detection)
    return 0


def _require_positive(arguments: argparse.Namespace) -> None:
    """Refuse sizes by the names that they have on this command line."""
    for option, value in (("batch_size", arguments.group_size), ("images_at_once", arguments.batch_size)):
        if value < 1:
            raise ValueError(f"--{option} must be at least 1, got {value}.")


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
