"""`main.py demo`: the whole hierarchy on data that comes with the library, in minutes."""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import folder_locations
from commands.common import add_command, add_device, add_run, load_images
from commands.computing import Computation, RunModel
from commands.evaluate import evaluate_run, write_results
from commands.restarting import delete_runs
from commands.sample import save_samples

if TYPE_CHECKING:
    import torch

    from models.runs import RunPlan

__all__ = ["add_parser"]

GENERAL, INSIDE, OUTSIDE = "general:photos", "demo-fashion-mnist", "demo-mnist"
# Folders of its runs, inside its own.
BASE, SPECIFIC = "general", "fashion-mnist"
EXAMPLE = "  python main.py demo --run my-demo"
INTRODUCTION = f"""\
Which pictures do not belong among clothes (FashionMNIST)? Three small Glow models learn on this machine:
  1. general       on {GENERAL}: crops and collages of photographs
  2. specific      from 1, on {INSIDE}
  3. general again from 1, for as many steps as 2, so that their likelihoods are comparable
Then every method tells held-out clothes from digits (MNIST), which no model has seen."""
CONCLUSION = """\
What this shows: higher = digits found more anomalous; 0.5 is chance. The raw likelihood of a model of clothes
is higher for digits than for clothes (AUROC near 0). Minus the general model's it tells them apart. It is a
small model, one pair of sets and one seed; the README has larger ones."""


@dataclass(frozen=True)
class DemoSettings:
    """Sizes chosen so that all of it takes less than five minutes on two cores."""

    steps_per_scale: int = 4
    hidden_channels: int = 64
    general_steps: int = 1000
    specific_steps: int = 1000
    general_rate: float = 2e-3
    specific_rate: float = 1.5e-3


def add_parser(subparsers: Any) -> None:
    """Add the subcommand."""
    summary = "Train a hierarchy on FashionMNIST and find MNIST among it; nothing is downloaded."
    parser = add_command(subparsers, "demo", summary, EXAMPLE, run)
    add_run(parser, "folder for all that is made (default: demo in the runs folder)", type=Path)
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="names all randomness")
    add_device(parser)
    parser.add_argument("--restart", action="store_true", help="delete the runs of the demo and train anew")


def run(arguments: argparse.Namespace) -> int:
    """Train, evaluate and draw; a second call only reads what is there."""
    from invglow.training.device import resolve_device

    started = time.monotonic()
    folder = arguments.run or folder_locations.runs_folder() / "demo"
    device = resolve_device(arguments.device)
    print(INTRODUCTION)
    if arguments.restart:
        delete_runs(folder / BASE, folder / SPECIFIC)
    general, specific = _train(folder, DemoSettings(), arguments.seed, device)
    computation = Computation(seed=arguments.seed, device=device)
    rows = evaluate_run(computation, specific, general, [INSIDE, OUTSIDE], method_names=_methods())
    write_results(rows, folder / "evaluation.json")
    for picture in _draw(folder, computation, specific, general):
        print(f"Picture: {picture}")
    print(CONCLUSION)
    print(f"Took {time.monotonic() - started:.0f} s. Next, your own pictures: python main.py train --help")
    return 0


def _methods() -> list[str]:
    """Name all methods on a specific and a general model and PNG.

    Gradients of the general model would take as long again, and other codecs might not be installed.
    """
    from anomaly_methods.methods.registry import METHODS
    from anomaly_methods.methods.sources import (
        GENERAL_LIKELIHOOD,
        SPECIFIC_GRADIENTS,
        SPECIFIC_LIKELIHOOD,
        complexity_by,
    )

    there = {SPECIFIC_LIKELIHOOD, GENERAL_LIKELIHOOD, SPECIFIC_GRADIENTS, complexity_by("png")}
    return [name for name, method in METHODS.items() if there.issuperset(method.sources.values())]


def _train(
    folder: Path, settings: DemoSettings, seed: int, device: torch.device
) -> tuple[RunModel, RunModel]:
    """Train what is not trained yet; return the general and the specific model."""
    from models.runs import EQUALLY_TRAINED, Origin, train_run

    base, specific = folder / BASE, folder / SPECIFIC
    photos = load_images(GENERAL, "train", grey=True)
    clothes = load_images(INSIDE, "train")
    plans = (
        _plan(base, photos, settings, seed, None),
        _plan(specific, clothes, settings, seed, Origin(base, "base")),
        _plan(specific / EQUALLY_TRAINED, photos, settings, seed, Origin(base, "continue")),
    )
    for number, plan in enumerate(plans, start=1):
        print(f"{number}. {plan.images.name}, {plan.training.steps} steps: {plan.run}")
        train_run(plan, device, progress=True)
    return RunModel(specific / EQUALLY_TRAINED, device), RunModel(specific, device)


def _plan(folder: Path, images: Any, settings: DemoSettings, seed: int, origin: Any) -> RunPlan:
    from invglow.flows import GlowConfig
    from invglow.training import TrainingConfig
    from models.runs import RunPlan

    training = TrainingConfig(
        steps=settings.specific_steps if origin else settings.general_steps,
        learning_rate=settings.specific_rate if origin else settings.general_rate,
        weight_decay=0.0,
        # Clothes are centred and upright; 5 passes over 10,000 images need no more variety.
        flip=False,
        max_shift=0.0,
        seed=seed,
    )
    config = GlowConfig(
        images.image_shape,
        steps_per_scale=settings.steps_per_scale,
        hidden_channels=settings.hidden_channels,
    )
    model = None if origin else {"family": "glow", "settings": config.to_json()}
    return RunPlan(folder, images, training, model, origin)


def _draw(folder: Path, computation: Computation, specific: RunModel, general: RunModel) -> list[Path]:
    """Draw histograms of the likelihoods, and samples of both models."""
    from plots.likelihood_histograms import likelihood_panels, save

    sets = (INSIDE, OUTSIDE)
    panels = likelihood_panels(
        [computation.statistics(specific, spec) for spec in sets],
        [computation.statistics(general, spec) for spec in sets],
    )
    pictures = list(save(panels, folder / "likelihoods")[:2])
    for name, model in (("specific", specific), ("general", general)):
        path = folder / f"samples-{name}.png"
        save_samples(model.model, 64, path, temperature=0.7)
        pictures.append(path)
    return pictures
