"""What `python -m anomaly_methods.fisher_matrix` does: keep gradient entries of a model's own samples."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anomaly_methods.matrix_options import FISHER_MATRIX, MatrixOptions
from commands.common import existing_run, library_versions, require_family
from commands.computing import RunModel

if TYPE_CHECKING:
    from anomaly_methods.statistics import Statistics, StatisticsMeta

__all__ = ["keep_fisher_matrix"]


def keep_fisher_matrix(arguments: argparse.Namespace) -> int:
    """Compute what is missing of every run and say where it is.

    Raises:
        ValueError: a run of another family, an unknown layer, a model that cannot draw images.
    """
    from invglow.training.device import resolve_device

    options, device = MatrixOptions.of(arguments), resolve_device(arguments.device)
    runs = [RunModel(existing_run(name), device, options.evaluation) for name in arguments.models]
    for run in runs:
        require_family(run.folder, arguments.family)
    for run in runs:
        path = options.path(run.folder)
        statistics = _statistics(run, options, path, arguments)
        print(f"{run.name}: {len(statistics.values)} entries, {len(statistics)} samples: {path}")
    return 0


def _statistics(
    run: RunModel, options: MatrixOptions, path: Path, arguments: argparse.Namespace
) -> Statistics:
    from anomaly_methods.extractors.fisher.entries import (
        GradientEntries,
        choose_entries,
        choose_tensors,
        described_entries,
        load_or_collect,
    )
    from anomaly_methods.extractors.fisher.images import SampledImages
    from anomaly_methods.extractors.gradient_norms.parameters import trainable_parameters

    parameters = trainable_parameters(run.model)
    tensors = choose_tensors(parameters, options.layers or options.n_layers, options.seed)
    entries = choose_entries(parameters, tensors, options.n_entries, options.seed)
    samples = SampledImages(run.model, options.n_samples, options.seed, options.temperature)
    meta = _meta(run, options, described_entries(run.model, entries))
    return load_or_collect(
        GradientEntries(run.model, samples, entries),
        meta,
        path,
        recompute=arguments.recompute,
        batch_size=arguments.batch_size,
        progress=True,
    )


def _meta(run: RunModel, options: MatrixOptions, described: dict[str, dict[str, object]]) -> StatisticsMeta:
    from anomaly_methods.extractors.indexed import noise_settings
    from anomaly_methods.statistics import StatisticsMeta

    settings = {"samples": options.n_samples, "entries": {n: d["entries"] for n, d in described.items()}}
    # Files of earlier versions say neither, and are those of the run's own settings at temperature 1.
    changed: dict[str, Any] = {"temperature": options.temperature} if options.temperature != 1 else {}
    changed |= {"evaluation": dict(run.evaluation)} if run.evaluation else {}
    return StatisticsMeta(
        kind=FISHER_MATRIX,
        model=run.name,
        checkpoint_sha256=run.sha256,
        bound=run.model.bound,
        dataset="samples of the model",
        dataset_sha256="",
        split=f"seed {options.seed}",
        image_shape=run.model.image_shape,
        preprocessing="as the model draws them, not rounded to 8 bits",
        unit="gradient of nats",
        seed=options.seed,
        evaluation=run.model.evaluation,
        settings={**settings, **noise_settings(run.model), **changed},
        details=described,
        versions=library_versions(),
    )
