"""Arguments that commands of the second paper share (Dauncey et al., 2024)."""

from __future__ import annotations

import argparse

from commands.common import HelpFormatter

__all__ = ["add_images_at_once", "models_parser"]


def models_parser(module: str, description: str | None, example: str) -> argparse.ArgumentParser:
    """Return the parser of `python -m MODULE FAMILY MODEL [MODEL ...]`."""
    parser = argparse.ArgumentParser(
        prog=f"python -m {module}",
        description=description,
        epilog=example,
        formatter_class=HelpFormatter,
    )
    add = parser.add_argument
    add("family", metavar="FAMILY", help="what the models are, for example glow; a run of another is refused")
    add("models", nargs="+", metavar="MODEL", help="runs, by name or folder")
    return parser


def add_images_at_once(parser: argparse.ArgumentParser) -> None:
    """Add the size of what is computed together; --batch_size is a group size in the second paper."""
    parser.add_argument(
        "--images_at_once",
        dest="batch_size",
        type=int,
        default=128,
        metavar="N",
        help="images in memory at a time; changes nothing but speed and rounding",
    )
