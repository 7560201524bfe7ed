"""The Fisher information of a run: read from its folder, or estimated and kept there."""

from __future__ import annotations

import argparse
import math
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anomaly_methods.extractors.fisher.meta import DEFAULT_DAMPING, DEFAULT_IMAGES, FisherMeta
from commands.common import images_of_run

if TYPE_CHECKING:
    from anomaly_methods.extractors.fisher.fisher import Fisher
    from anomaly_methods.extractors.fisher.images import FisherImages
    from commands.computing import RunModel

__all__ = ["FISHER_KINDS", "FisherOptions", "add_fisher", "fisher_of"]

FISHER_KINDS: Mapping[str, str] = {"fisher_diagonal": "diagonal", "fisher_kronecker": "kronecker"}
"""{kind of statistics: structure of the Fisher information behind it}."""


@dataclass(frozen=True)
class FisherOptions:
    """How to estimate and use a Fisher information.

    Args:
        source: "data", images that the run was trained on, or "samples", images that it draws.
        images: how many, or all of them if the training set has fewer.
        damping: fraction of the mean of F.
        seed: names which images.

    Raises:
        ValueError: a number is out of range.
    """

    source: str = "data"
    images: int = DEFAULT_IMAGES
    damping: float = DEFAULT_DAMPING
    seed: int = 0

    def __post_init__(self) -> None:
        if self.images < 1:
            raise ValueError(f"--fisher-images must be at least 1, got {self.images}.")
        if not 0 < self.damping < math.inf:
            raise ValueError(
                f"--fisher-damping must be a positive fraction of the mean of F, got {self.damping:g}."
            )

    @classmethod
    def of(cls, arguments: argparse.Namespace) -> FisherOptions:
        """Return what the arguments of `add_fisher`, and --seed, ask for."""
        return cls(arguments.fisher_from, arguments.fisher_images, arguments.fisher_damping, arguments.seed)

    @property
    def estimate(self) -> str:
        """Names the estimate in file names."""
        return f"{self.source}{self.images}-seed{self.seed}"

    @property
    def named(self) -> str:
        """Names the options that are not the default ones; empty where all are."""
        options = [
            f"fisher-{self.source}" if self.source != "data" else "",
            f"fisher-images{self.images}" if self.images != DEFAULT_IMAGES else "",
            f"fisher-damping{self.damping:g}" if self.damping != DEFAULT_DAMPING else "",
        ]
        return "-".join(filter(None, options))

    @property
    def label(self) -> str:
        """Names what statistics depend on in file names."""
        damping = "" if self.damping == DEFAULT_DAMPING else f"-damping{self.damping:g}"
        return f"{self.estimate}{damping}"


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

    path = run.folder / "fisher" / f"{structure}-{options.estimate}.safetensors"
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
        versions=_versions(),
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


def _versions() -> dict[str, str]:
    import numpy as np
    import torch

    from invglow import __version__

    return {
        "invglow": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "torch": str(torch.__version__),
    }


def _said(meta: FisherMeta) -> str:
    return f"images of {meta.dataset}" if meta.source == "data" else "samples"
