"""`main.py import`: a published checkpoint as a run."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from commands.common import add_command, add_run

__all__ = ["add_parser"]

EXAMPLE = """\
  python main.py import general.th --run runs/published-general
  python main.py import glow_cifar10/ --run runs/published-cifar10"""


def add_parser(subparsers: Any) -> None:
    """Add the subcommand."""
    parser = add_command(
        subparsers,
        "import",
        "Turn a checkpoint that one of the two papers published into a run. Nothing in it is executed.",
        EXAMPLE,
        run,
    )
    parser.add_argument(
        "source",
        type=Path,
        metavar="FILE_OR_FOLDER",
        help="a pickled model (*.th), or a folder with a state dict and hparams.json",
    )
    add_run(parser, "folder for the run", required=True)
    parser.add_argument(
        "--image-size",
        type=int,
        metavar="N",
        help="side of the images of a model on local patches, whose file does not hold it (default: 32)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Import, and say what came out and what to do next."""
    from models.imports import import_run

    folder = Path(arguments.run).expanduser()
    imported = import_run(arguments.source.expanduser(), folder, arguments.image_size)
    config, count = imported.config, sum(tensor.numel() for tensor in imported.tensors.values())
    channels, height, width = config.image_shape
    print(
        f"Imported {imported.form}: {config.architecture} Glow, {config.scales} scales of "
        f"{config.steps_per_scale} steps, {config.hidden_channels} hidden channels, {count} numbers, for "
        f"{'grey' if channels == 1 else 'colour'} images of {height}x{width}"
        + (f" of {config.classes} classes." if config.classes else ".")
    )
    print(f"Files: {folder}")
    print(f"Next: python main.py statistics --run {folder} --data NAME")
    return 0
