"""Build the general image set `tiny`: one memory-mapped array of natural images, and where each came from."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from folder_locations import tiny_folder
from invglow.exit_code import exit_code

__all__ = ["main"]

_EPILOG = """\
what a SOURCE can be (found out from what is there)
  tiny_images.bin        80 Million Tiny Images as published: 3,072 bytes per image; withdrawn by its authors
                         in 2020, the sources below stand in for it
  300K_random_images.npy a cleaned part of it, or any other uint8 array N x 32 x 32 x 3
  a folder of batches    ImageNet-32: train_data_batch_1 to 10 (pickles, read without executing anything)
  tiny-imagenet-200      the unpacked tree: half of the pictures whole, half cropped at random
  any folder             of photographs, with subfolders: random crops at random scales, resized with a random
                         one of several filters, sometimes blurred a little, because the general set must
                         cover the low-level statistics of the images that come later

examples
  python create_tiny.py tiny_images.bin --images 1000000 --exclude-cifar cifar10.txt cifar100.txt
  python create_tiny.py tiny-imagenet-200
  python create_tiny.py ~/Pictures --crops 20
  python create_tiny.py Imagenet32_train ~/Pictures --images 500000 --output general/mixed

Then: python main.py train --data tiny --run runs/general     (or --data array:general/mixed/images.npy)
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Build the set as the command line says; return the exit code."""
    given = _parser().parse_args(argv)
    return exit_code(lambda: _build(given), interrupted="nothing was written")


def _build(given: argparse.Namespace) -> int:
    from invglow.data.crops import CropSettings
    from invglow.data.general import build_general_set
    from invglow.data.general_detect import open_source
    from invglow.data.general_files import TinyImagesFile

    output: Path = given.output or tiny_folder()
    sources = [
        open_source(
            path,
            number,
            crop=CropSettings(size=given.size),
            crops=given.crops,
            exclude=given.exclude_cifar,
        )
        for number, path in enumerate(given.source)
    ]
    if given.exclude_cifar and not any(isinstance(source, TinyImagesFile) for source in sources):
        raise ValueError(
            "--exclude-cifar belongs to tiny_images.bin, which is none of the sources: leave it out."
        )
    for leftover in output.parent.glob(f".{output.name}.*.partial"):
        print(f"A build that was killed left {leftover}; if none is running, delete it.")
    for source in sources:
        print(f"{source.path}: {source.kind}, {source.count():,} images")
    meta = build_general_set(
        sources, output, images=given.images, size=given.size, seed=given.seed, overwrite=given.overwrite
    )
    if unreadable := sum(len(source.get("unreadable", ())) for source in meta["sources"]):
        print(f"Left out, as they cannot be read: {unreadable} pictures ({output / 'meta.json'} lists them).")
    name = "tiny" if output == tiny_folder() else f"array:{output / 'images.npy'}"
    print(f"{output}: {meta['images']:,} images of {given.size}x{given.size} pixels.")
    print(f"Next: python main.py train --data {name} --run runs/general")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="create_tiny.py",
        description=__doc__,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("source", type=Path, nargs="+", help="one or more files or folders, see below")
    parser.add_argument("--output", type=Path, help=f"folder to make (default: {tiny_folder()})")
    parser.add_argument("--images", type=int, help="how many images (default: all)")
    parser.add_argument("--crops", type=_positive, default=1, help="crops per picture (default: 1)")
    parser.add_argument("--size", type=_positive, default=32, help="side in pixels (default: 32)")
    parser.add_argument(
        "--seed", type=_positive_or_zero, default=0, help="decides images, crops, order (default: 0)"
    )
    parser.add_argument(
        "--exclude-cifar",
        type=Path,
        nargs="+",
        default=(),
        metavar="FILE",
        help="text files with the numbers, counted from 1, of images of tiny_images.bin to leave out",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an earlier set in the same folder")
    return parser


def _positive(text: str) -> int:
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {number}")
    return number


def _positive_or_zero(text: str) -> int:
    if (number := int(text)) < 0:
        raise argparse.ArgumentTypeError(f"must not be negative, got {number}")
    return number


if __name__ == "__main__":
    sys.exit(main())
