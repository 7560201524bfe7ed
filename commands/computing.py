"""Statistics of a run on an image set: read from its folder, or computed and kept there."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anomaly_methods.evaluation_options import add_evaluation, written_evaluation
from anomaly_methods.meta import COMPLEXITY_KINDS
from anomaly_methods.run_names import run_names
from anomaly_methods.stored import Selection, evaluation_label
from commands.common import existing_run, images_for_run
from commands.fisher_information import FISHER_KINDS, FisherOptions, add_fisher, fisher_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import torch

    from anomaly_methods.extractors.base import Extractor
    from anomaly_methods.extractors.fisher.fisher import Fisher
    from anomaly_methods.statistics import Statistics
    from invglow.data.image_set import ImageSet
    from models.base import GenerativeModel

__all__ = ["Computation", "RunModel", "add_computation", "add_selection", "computation_of"]


def add_computation(parser: argparse.ArgumentParser) -> None:
    """Add the options that say how statistics are computed."""
    group = add_selection(parser)
    group.add_argument(
        "--group-size", type=int, default=1, metavar="B", help="judge B images at a time, together"
    )
    group.add_argument("--batch-size", type=int, default=128, metavar="N", help="images at a time")


def add_selection(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """Add the options that say which images, prepared how, in a group of the help that is returned."""
    group = parser.add_argument_group("how statistics are computed")
    group.add_argument("--split", default="test", choices=("train", "test"), help="which images of the sets")
    group.add_argument("--limit", type=int, metavar="N", help="the first N images of each set only")
    group.add_argument("--grey", action="store_true", help="convert colour images to luma")
    group.add_argument(
        "--noise-draws",
        type=int,
        default=0,
        metavar="N",
        help="0: bin centres; N: mean over N draws of noise",
    )
    group.add_argument(
        "--seed", type=int, default=0, metavar="N", help="of noise, halves, bootstrap and Fisher images"
    )
    group.add_argument("--recompute", action="store_true", help="compute again what is there")
    add_fisher(parser)
    add_evaluation(parser)
    return group


@dataclass(frozen=True)
class Computation:
    """How to compute statistics, the same for every set and model of one command."""

    device: torch.device
    split: str = "test"
    limit: int | None = None
    grey: bool = False
    noise_draws: int = 0
    seed: int = 0
    group_size: int = 1
    batch_size: int = 128
    recompute: bool = False
    download: bool = False
    fisher: FisherOptions = field(default_factory=FisherOptions)
    evaluation: tuple[str, ...] = ()
    """Settings, NAME=VALUE each, to evaluate models with instead of those of their runs."""

    def run(self, name: str) -> RunModel:
        """Return the run of this name or folder, its model to be evaluated as asked for."""
        return RunModel(existing_run(name), self.device, self.evaluation)

    def statistics(self, run: RunModel, spec: str, kind: str = "likelihood") -> Statistics:
        """Return statistics, one of `kinds.KINDS`, of a run on a set, from its folder where there."""
        return self.of_images(run, self.images(run, spec), self.path(run, spec, kind), kind)

    def images(self, run: RunModel, spec: str) -> ImageSet:
        """Return the images of a set that the statistics are about, prepared for the run's model."""
        images: ImageSet = images_for_run(
            run.folder, spec, self.split, grey=self.grey, download=self.download
        )
        return images if self.limit is None else images.limited(self.limit)

    def require_images(self, run: RunModel, specs: Iterable[str]) -> None:
        """Look at all sets before anything is computed, so that a missing one costs no time."""
        for spec in specs:
            self.images(run, spec)

    def of_images(self, run: RunModel, images: ImageSet, path: Path, kind: str = "likelihood") -> Statistics:
        """Return statistics, one of `kinds.KINDS`, of images at hand, from `path` where they are there."""
        if kind in COMPLEXITY_KINDS:
            return self._complexity(images, path, COMPLEXITY_KINDS[kind])
        from anomaly_methods.extractors.extraction import Extraction
        from anomaly_methods.extractors.run import load_or_extract

        extraction = Extraction(
            model=run.model,
            image_set=images,
            extractor=self._extractor(run, kind),
            model_name=run.name,
            checkpoint_sha256=run.sha256,
            noise_draws=self.noise_draws,
            seed=self.seed,
            evaluation=run.evaluation,
        )
        return load_or_extract(
            extraction,
            path,
            recompute=self.recompute,
            batch_size=self.batch_size,
            device=self.device,
            progress=True,
        )

    def _extractor(self, run: RunModel, kind: str) -> Extractor:
        if kind in FISHER_KINDS:
            return self._fisher_extractor(run, FISHER_KINDS[kind])
        from anomaly_methods.extractors.classes import ClassExtractor
        from anomaly_methods.extractors.gradients import GradientExtractor
        from anomaly_methods.extractors.likelihood import LikelihoodExtractor

        extractors: dict[str, type[Extractor]] = {
            "likelihood": LikelihoodExtractor,
            "gradients": GradientExtractor,
            "classes": ClassExtractor,
        }
        return extractors[kind](self.group_size)

    def _fisher_extractor(self, run: RunModel, structure: str) -> Extractor:
        from anomaly_methods.extractors.fisher.extractors import FISHER_EXTRACTORS

        fisher = fisher_of(run, structure, self.fisher, batch_size=self.batch_size, recompute=self.recompute)
        return FISHER_EXTRACTORS[structure](fisher, self.group_size, self.fisher.damping)

    def _complexity(self, images: ImageSet, path: Path, codec: str) -> Statistics:
        from anomaly_methods.extractors.complexity import load_or_measure

        return load_or_measure(
            images, codec, path, group_size=self.group_size, recompute=self.recompute, progress=True
        )

    def path(self, run: RunModel, spec: str, kind: str, part: str = "") -> Path:
        """Return where the statistics of this computation lie in a run's folder; `part` names some images."""
        selection = Selection(
            split=self.split,
            limit=self.limit,
            grey=self.grey,
            noise_draws=self.noise_draws,
            seed=self.seed,
            group_size=self.group_size,
            fisher=self.fisher,
            evaluation=run.evaluation,
        )
        return selection.path(run.folder, spec, kind, part)


@dataclass
class RunModel:
    """A run whose model is loaded when it is first needed."""

    folder: Path
    device: torch.device
    written: tuple[str, ...] = ()
    """Settings, NAME=VALUE each, to evaluate the model with instead of its own."""
    evaluation: Mapping[str, Any] = field(default_factory=dict, init=False)
    """The same, read; wrong ones are refused at once."""
    fishers: dict[Path, Fisher] = field(default_factory=dict, init=False, repr=False, compare=False)
    """{file: Fisher information} of what a command has needed so far."""

    def __post_init__(self) -> None:
        if self.written:
            from models.registry import evaluation_settings

            self.evaluation = evaluation_settings(self.folder, self.written)

    @property
    def evaluated(self) -> str:
        """Names these settings in file names; empty without any."""
        return evaluation_label(self.evaluation)

    @property
    def name(self) -> str:
        """What tables call it: the folder's name, with its parent's for the general model inside a run."""
        (name,) = run_names([self.folder])
        return name

    @cached_property
    def sha256(self) -> str:
        """Checksum of the weights."""
        from invglow.checkpoints import weights_sha256

        return weights_sha256(self.folder)

    @cached_property
    def model(self) -> GenerativeModel:
        """The model itself."""
        from models.registry import load_model

        return load_model(self.folder, self.device, self.evaluation)


def computation_of(arguments: argparse.Namespace) -> Computation:
    """Return the computation that the arguments of `add_computation`, device and download ask for."""
    from invglow.training.device import resolve_device

    return Computation(
        device=resolve_device(arguments.device),
        split=arguments.split,
        limit=arguments.limit,
        grey=arguments.grey,
        noise_draws=arguments.noise_draws,
        seed=arguments.seed,
        group_size=arguments.group_size,
        batch_size=arguments.batch_size,
        recompute=arguments.recompute,
        download=arguments.download,
        fisher=FisherOptions.of(arguments),
        evaluation=written_evaluation(arguments),
    )
