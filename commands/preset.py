"""`main.py preset`: the first paper's experiments and other families of models, command by command."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import folder_locations
from commands import evaluate, sample, train
from commands.common import add_command, load_images
from commands.experiments import EXPERIMENTS, Experiment
from commands.family_experiments import FAMILY_EXPERIMENTS, FamilyExperiment
from commands.preset_parts import Choices, Command, Preset
from commands.preset_scales import SCALES
from commands.presets import build_preset, preset_names

__all__ = ["add_parser"]

EXAMPLE = """\
  python main.py preset --list
  python main.py preset cifar10-class --dry-run
  python main.py preset fashion-mnist --scale small
  python main.py preset cifar10 --scale dev --general array:general --data array:cifar10 --out svhn
  python main.py preset pixelcnn-fashion-mnist"""
# Options that take the place of the scale's in every training.
TRAINING = ("steps", "batch-size", "steps-per-scale", "hidden-channels")
# Options handed on to training and evaluation alike.
BOTH = ("limit", "seed", "device")


def add_parser(subparsers: Any) -> None:
    """Add the subcommand."""
    parser = add_command(
        subparsers,
        "preset",
        "Carry out an experiment: print its commands, then run what is not done yet.",
        EXAMPLE,
        run,
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help="experiment; see --list")
    parser.add_argument("--list", action="store_true", help="show all experiments and scales, and do nothing")
    parser.add_argument(
        "--scale",
        choices=tuple(SCALES),
        help="; ".join(f"{scale.name}: {scale.summary}" for scale in SCALES.values())
        + " (default: paper; for other families than Glow dev)",
    )
    parser.add_argument("--dry-run", action="store_true", help="print the commands, and do nothing")
    parser.add_argument(
        "--folder",
        type=Path,
        metavar="DIR",
        help="for the runs; experiments in one folder share their general model (default: preset-SCALE in "
        "the runs folder)",
    )
    _add_sets(parser)
    _add_overrides(parser)


def _add_sets(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("image sets in place of the experiment's")
    group.add_argument("--general", metavar="NAME", help="general set")
    group.add_argument("--data", metavar="NAME", help="in-distribution set")
    group.add_argument("--out", nargs="+", default=[], metavar="NAME", help="out-of-distribution sets")
    group.add_argument(
        "--download", action="store_true", help="fetch missing sets that torchvision can fetch"
    )


def _add_overrides(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("settings in place of the scale's, as of `train` and `evaluate`")
    group.add_argument("--steps", metavar="N", help="optimizer steps of every training")
    group.add_argument("--batch-size", metavar="N", help="images per step")
    group.add_argument("--steps-per-scale", metavar="N", help="flow steps per scale")
    group.add_argument("--hidden-channels", metavar="N", help="width of the couplings")
    group.add_argument("--limit", metavar="N", help="the first N images of each set only")
    group.add_argument("--seed", metavar="N", help="names all randomness")
    group.add_argument("--device", metavar="DEVICE", help="auto, cpu, cuda or cuda:N")


def run(arguments: argparse.Namespace) -> int:
    """Show the experiments, or one's commands, or run these."""
    if arguments.list:
        print(_overview())
        return 0
    if arguments.name is None:
        raise ValueError("Name a preset, or see all of them with --list.")
    if arguments.scale is None:
        arguments.scale = "dev" if arguments.name in FAMILY_EXPERIMENTS else "paper"
    preset = build_preset(arguments.name, arguments.scale, _choices(arguments))
    experiment = preset.experiment
    print(f"{experiment.summary} ({arguments.scale}; {experiment.reference}):")
    for command in preset.commands:
        print(f"  {command}")
    if not arguments.dry_run:
        _require_sets(preset, arguments)
        for number, command in enumerate(preset.commands, start=1):
            print(f"\n[{number}/{len(preset.commands)}] {command}")
            _call(command)
    return 0


def _choices(arguments: argparse.Namespace) -> Choices:
    both = _given(arguments, BOTH)
    return Choices(
        folder=arguments.folder or folder_locations.runs_folder() / f"preset-{arguments.scale}",
        general=arguments.general,
        inside=arguments.data,
        outside=arguments.out,
        training=_given(arguments, TRAINING),
        both={**both, "download": None} if arguments.download else both,
    )


def _given(arguments: argparse.Namespace, names: tuple[str, ...]) -> Mapping[str, str | None]:
    """Return {option: value} of those that were given."""
    values = {name: getattr(arguments, name.replace("-", "_")) for name in names}
    return {name: value for name, value in values.items() if value is not None}


def _require_sets(preset: Preset, arguments: argparse.Namespace) -> None:
    """Read every set before hours of training, so that none is found missing after them."""
    for spec, split in preset.sets:
        load_images(spec, split, grey=preset.grey, download=arguments.download)


def _call(command: Command) -> None:
    """Run a command as main.py would."""
    parser = argparse.ArgumentParser(prog="main.py")
    subparsers = parser.add_subparsers(dest="command", required=True)
    for module in (train, evaluate, sample):
        module.add_parser(subparsers)
    arguments = parser.parse_args(list(command.words))
    arguments.function(arguments)


def _overview() -> str:
    width = max(map(len, preset_names()))
    lines = ["Experiments of Schirrmeister et al. (NeurIPS 2020):"]
    lines += [_line(EXPERIMENTS[name], width) for name in EXPERIMENTS]
    lines.append("\nOther families of models (not at scale paper):")
    lines += [_line(FAMILY_EXPERIMENTS[name], width) for name in FAMILY_EXPERIMENTS]
    lines.append("\nScales (--scale):")
    lines += [f"  {scale.name.ljust(width)}  {scale.summary}" for scale in SCALES.values()]
    lines.append("\nSee an experiment's commands: python main.py preset NAME --scale SCALE --dry-run")
    return "\n".join(lines)


def _line(experiment: Experiment | FamilyExperiment, width: int) -> str:
    against = f", against {' '.join(experiment.outside)}" if experiment.outside else ""
    return f"  {experiment.name.ljust(width)}  {experiment.summary}{against}"
