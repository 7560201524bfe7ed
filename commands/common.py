"""Arguments and look-ups that several subcommands share."""

from __future__ import annotations

import argparse
import platform
from pathlib import Path
from typing import Any

import folder_locations
from anomaly_methods.stored import run_folder

__all__ = [
    "HelpFormatter",
    "add_command",
    "add_device",
    "add_download",
    "add_run",
    "existing_run",
    "images_for_run",
    "images_of_run",
    "library_versions",
    "load_images",
    "print_once",
    "require_family",
]


def add_command(
    subparsers: Any, name: str, summary: str, example: str, function: Any
) -> argparse.ArgumentParser:
    """Add a subcommand whose help ends with an example."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        name,
        help=summary.replace("%", "%%"),
        description=summary,
        epilog=f"Example:\n{example}",
        formatter_class=HelpFormatter,
    )
    parser.set_defaults(function=function)
    return parser


class HelpFormatter(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Shows defaults, where there are any, and keeps the line breaks of the example."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        if action.default is None or action.default is False or action.default == []:
            return action.help
        return super()._get_help_string(action)


def add_run(parser: argparse.ArgumentParser, explanation: str, **options: Any) -> None:
    """Add --run under two names: torchrun takes the shorter for an abbreviation of its own --run-path."""
    parser.add_argument("--run", "--run-folder", metavar="DIR", help=explanation, **options)


def add_device(parser: argparse.ArgumentParser) -> None:
    """Add --device."""
    parser.add_argument(
        "--device", default="auto", help="auto (a GPU where there is one), cpu, cuda or cuda:N"
    )


def add_download(parser: argparse.ArgumentParser) -> None:
    """Add --download."""
    parser.add_argument(
        "--download", action="store_true", help="fetch missing sets that torchvision can fetch"
    )


def existing_run(name: str) -> Path:
    """Return the folder of a run that is to be read: a path, or else a name in the runs folder."""
    return run_folder(name, folder_locations.runs_folder())


def require_family(run: Path, family: str) -> None:
    """Refuse a run of another family of models than the one that was named before it.

    Raises:
        ValueError: naming both; also where there is no such family.
    """
    from invglow.sections import require_family as require_same
    from models.registry import FAMILIES

    if family not in FAMILIES:
        raise ValueError(f"There is no model family {family!r}: known are {', '.join(FAMILIES)}.")
    require_same(run, family)


def library_versions() -> dict[str, str]:
    """Return the versions of what numbers depend on."""
    import numpy as np
    import torch

    from invglow import __version__

    return {
        "invglow": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "torch": str(torch.__version__),
    }


def load_images(spec: str, split: str, **options: Any) -> Any:
    """Load an image set from the data folder; options as for `load_image_set`."""
    from invglow.data.registry import load_image_set

    return load_image_set(spec, split, folder=folder_locations.data_folder(), **options)


def images_for_run(run: Path, spec: str, split: str, *, grey: bool = False, download: bool = False) -> Any:
    """Load an image set the way the run's own training set was prepared, and check that its shape fits."""
    from invglow.data.preprocessing import check_image_shape
    from invglow.sections import FLAG, SHAPE, read_section

    data = read_section(run, "data", image_shape=SHAPE, grey=FLAG)
    shape = tuple(data["image_shape"])
    images = load_images(spec, split, image_size=shape[1], grey=grey or data["grey"], download=download)
    check_image_shape(images.image_shape, shape, name=spec)
    return images


def images_of_run(run: Path) -> Any:
    """Load the training set of a run again, exactly as it was."""
    from invglow.sections import FLAG, TEXT, WHOLE, read_section

    if read_section(run, "data").get("name", ...) is None:
        raise ValueError(
            f"What {run} was trained on is not known, since it was imported: name a set with --data."
        )
    data = read_section(run, "data", name=TEXT, split=TEXT, images=WHOLE, grey=FLAG, sha256=TEXT)
    images = images_for_run(run, data["name"], data["split"], grey=data["grey"])
    images = images.limited(data["images"])
    if images.sha256() != data["sha256"]:
        raise ValueError(
            f"{data['name']} has changed since {run} was trained on it: name the set with --data."
        )
    return images


def print_once(text: str) -> None:
    """Print a line once, however many processes train together."""
    import ignite.distributed as idist

    if idist.get_rank() == 0:
        print(text)
