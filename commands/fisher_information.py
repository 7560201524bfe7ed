"""The Fisher information of a run: read from its folder, or estimated and kept there."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anomaly_methods.extractors.fisher.meta import FisherMeta
from anomaly_methods.fisher_options import DEFAULT_DAMPING, DEFAULT_IMAGES, FISHER_KINDS, FisherOptions
from commands.common import images_of_run, library_versions

if TYPE_CHECKING:
    from anomaly_methods.extractors.fisher.fisher import Fisher
    from anomaly_methods.extractors.fisher.images import FisherImages
    from commands.computing import RunModel

__all__ = ["FISHER_KINDS", "FisherOptions", "add_fisher", "fisher_of"]


def add_fisher(parser: argparse.ArgumentParser) -> None:
    """Add the options of the Fisher information."""
    group = parser.add_argument_group("Fisher information (of fisher_diagonal and fisher_kronecker)")
    group.add_argument(
        "--fisher-from",
        default="data",
        choices=("data", "samples"),
        help="whose gradients: of images that the run was trained on, or of images that it draws itself",
    )
    group.add_argument(
        "--fisher-images", type=int, default=DEFAULT_IMAGES, metavar="N", help="how many, chosen by --seed"
    )
    group.add_argument(
        "--fisher-damping",
        type=float,
        default=DEFAULT_DAMPING,
        metavar="X",
        help="what is added to F before it is inverted, as a fraction of its mean over each tensor",
    )


def fisher_of(
    run: RunModel, structure: str, options: FisherOptions, *, batch_size: int, recompute: bool
) -> Fisher:
    """Return the Fisher information of a run's model, from its folder where it is there.

    Args:
        run: the run; what one command has read or estimated once, it keeps there.
        structure: one of the values of `FISHER_KINDS`.
        options: how.
        batch_size: images at a time.
        recompute: estimate it anyway.

    Raises:
        ValueError: the file is of another model or damaged, or the training images are not at hand.
        OSError: it cannot be written.
    """
    from anomaly_methods.extractors.fisher.estimate import estimate_fisher, stored_fisher

    words = (structure, options.estimate, run.evaluated)
    path = run.folder / "fisher" / f"{'-'.join(filter(None, words))}.safetensors"
    if path not in run.fishers:
        meta = _meta(run, structure, options)
        found = None if recompute else stored_fisher(path, meta, run.model)
        if found is None:
            images = _images(run, options, meta.images)
            found = estimate_fisher(run.model, images, meta, path, batch_size=batch_size, progress=True)
            print(f"Fisher information ({structure}) from {meta.images} {_said(meta)}: {path}")
        run.fishers[path] = found
    return run.fishers[path]


def _meta(run: RunModel, structure: str, options: FisherOptions) -> FisherMeta:
    from anomaly_methods.extractors.indexed import noise_settings

    data = _recorded(run.folder) if options.source == "data" else {}
    return FisherMeta(
        structure=structure,
        model=run.name,
        checkpoint_sha256=run.sha256,
        source=options.source,
        dataset=data.get("name", ""),
        dataset_sha256=data.get("sha256", ""),
        images=min(options.images, data.get("images", options.images)),
        seed=options.seed,
        evaluation=run.evaluation,
        settings=noise_settings(run.model),
        versions=library_versions(),
    )


def _recorded(run: Path) -> dict[str, Any]:
    """Return what a run says about the images that it was trained on."""
    from invglow.sections import TEXT, WHOLE, read_section

    if read_section(run, "data").get("name", ...) is None:
        raise ValueError(
            f"What {run} was trained on is not known, since it was imported: take the Fisher information of "
            "its samples (--fisher-from samples)."
        )
    return read_section(run, "data", name=TEXT, images=WHOLE, sha256=TEXT)


def _images(run: RunModel, options: FisherOptions, count: int) -> FisherImages:
    from anomaly_methods.extractors.fisher.images import ChosenImages, SampledImages

    if options.source == "samples":
        return SampledImages(run.model, count, options.seed)
    try:
        return ChosenImages(images_of_run(run.folder), count, options.seed)
    except (ValueError, FileNotFoundError) as error:
        raise ValueError(
            f"The Fisher information takes gradients of images that {run.folder} was trained on, which are "
            f"not at hand ({str(error).rstrip('.')}): provide them, or take it of its samples "
            "(--fisher-from samples)."
        ) from error


def _said(meta: FisherMeta) -> str:
    return f"images of {meta.dataset}" if meta.source == "data" else "samples"
