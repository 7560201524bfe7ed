"""What `main.py analyse` computes: from runs and image sets to rows."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from commands.choosing import require_same_shape
from commands.computing import Computation, RunModel, computation_of
from commands.output_files import write_table
from invglow.files import replacing

if TYPE_CHECKING:
    import numpy as np
    from _typeshed import DataclassInstance
    from numpy.typing import NDArray

    from anomaly_methods.analyses.perturbations import Moves
    from anomaly_methods.analyses.ranks import RankCorrelation
    from anomaly_methods.analyses.scales import ScaleShare
    from anomaly_methods.analyses.variants import VariantLikelihood
    from anomaly_methods.statistics import Statistics
    from invglow.data.image_set import ImageSet

__all__ = ["analyse_moves", "analyse_ranks", "analyse_scales", "analyse_variants", "write_rows"]


def analyse_ranks(arguments: argparse.Namespace) -> tuple[Path, list[RankCorrelation]]:
    """Return the first run's folder, and the rank correlations of all pairs of runs."""
    from anomaly_methods.analyses.ranks import rank_correlations
    from anomaly_methods.run_names import run_names

    computation = computation_of(arguments)
    runs = [computation.run(name) for name in (arguments.run, *arguments.others)]
    require_same_shape(*runs)
    labels = run_names([run.folder for run in runs])
    if len(set(labels)) < len(labels):
        raise ValueError(f"Ranks compare different runs, but one is named twice: {', '.join(labels)}.")
    by_model = {
        label: [computation.statistics(run, spec) for spec in arguments.data]
        for label, run in zip(labels, runs, strict=True)
    }
    return runs[0].folder, rank_correlations(by_model)


def analyse_scales(arguments: argparse.Namespace) -> tuple[Path, list[ScaleShare]]:
    """Return the run's folder, and the shares of its scales."""
    from anomaly_methods.analyses.scales import scale_shares

    computation, run = _computation_and_run(arguments)
    return run.folder, scale_shares([computation.statistics(run, spec) for spec in arguments.data])


def analyse_moves(arguments: argparse.Namespace) -> tuple[Path, list[Moves]]:
    """Return the run's folder, and how far perturbations are carried.

    Raises:
        ValueError: noise was asked for, which would move images and latents by itself.
    """
    from anomaly_methods.analyses.perturbations import moves

    if arguments.noise_draws:
        raise ValueError("Perturbations start from bin centres: leave --noise-draws out.")
    computation, run = _computation_and_run(arguments)
    return run.folder, moves([_perturbed(arguments, computation, run, spec) for spec in arguments.data])


def analyse_variants(arguments: argparse.Namespace) -> tuple[Path, list[VariantLikelihood]]:
    """Return the run's folder, and the likelihoods of images made from a set.

    The images are kept, as arrays, in the run's folder `analyses/variants`.
    """
    from anomaly_methods.analyses.variants import BLURS, CONTRASTS, image_variants, variant_likelihoods

    computation, run = _computation_and_run(arguments)
    (spec,) = arguments.data
    images = computation.images(run, spec)
    pixels = images.batch(range(len(images))).permute(0, 2, 3, 1).numpy()
    blurs = BLURS if arguments.blur is None else tuple(arguments.blur)
    contrasts = CONTRASTS if arguments.contrast is None else tuple(arguments.contrast)
    made = image_variants(pixels, blurs=blurs, contrasts=contrasts, seed=computation.seed)
    return run.folder, variant_likelihoods(
        computation.statistics(run, spec),
        {name: _variant(computation, run, images, name, found) for name, found in made.items()},
    )


def write_rows(rows: Sequence[DataclassInstance], path: Path) -> None:
    """Print rows as a table; write them as JSON at `path` and as CSV beside it."""
    from anomaly_methods.analyses.rows import to_csv, to_json, to_text

    print(to_text(rows))
    write_table(path, to_json(rows), to_csv(rows))


def _computation_and_run(arguments: argparse.Namespace) -> tuple[Computation, RunModel]:
    computation = computation_of(arguments)
    return computation, computation.run(arguments.run)


def _perturbed(
    arguments: argparse.Namespace, computation: Computation, run: RunModel, spec: str
) -> Statistics:
    from anomaly_methods.extractors.perturbation import Perturbation, load_or_perturb

    how = f"norm{arguments.norm:g}-directions{arguments.directions}-seed{computation.seed}"
    return load_or_perturb(
        run.model,
        computation.images(run, spec),
        Perturbation(arguments.norm, arguments.directions, computation.seed),
        computation.path(run, spec, "perturbation", how),
        model_name=run.name,
        checkpoint_sha256=run.sha256,
        batch_size=computation.batch_size,
        recompute=computation.recompute,
        progress=True,
    )


def _variant(
    computation: Computation, run: RunModel, images: ImageSet, name: str, pixels: NDArray[np.uint8]
) -> Statistics:
    """Keep images made from a set as an array, and return their likelihoods."""
    import numpy

    from invglow.data.image_set import ImageSet

    path = computation.path(run, images.name, "likelihood", f"{name}-seed{computation.seed}")
    array = run.folder / "analyses" / "variants" / f"{path.stem.removesuffix('-likelihood')}.npy"
    with replacing(array) as temporary, temporary.open("wb") as file:
        numpy.save(file, pixels)  # before the likelihoods, which an interruption may leave to the next call
    made = ImageSet(f"{name} of {images.name}", images.split, pixels)
    return computation.of_images(run, made, path)
