"""`main.py describe`: keep some images of each set and the values of all its pixels, for plots."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from commands.common import add_command, add_download, library_versions, load_images

if TYPE_CHECKING:
    from invglow.data.image_set import ImageSet
    from plots.pictures import Pictures

__all__ = ["add_parser"]

EXAMPLE = """\
  python main.py describe --data cifar10 svhn --output described
  python -m plots.dataset_validation described/*.npz --output figures/sets"""

_AT_A_TIME = 1024


def add_parser(subparsers: Any) -> None:
    """Add the subcommand."""
    parser = add_command(
        subparsers,
        "describe",
        "Keep some images of each set and count the values of all its pixels: what a model is shown.",
        EXAMPLE,
        run,
    )
    add = parser.add_argument
    add("--data", required=True, nargs="+", metavar="NAME", help="image sets")
    add("--output", type=Path, required=True, metavar="FOLDER", help="where to write one .npz for each set")
    add("--split", default="test", choices=("train", "test"), help="which images of the sets")
    add("--limit", type=int, metavar="N", help="the first N images of each set only")
    add("--image-size", type=int, default=32, metavar="N", help="height and width in pixels")
    add("--grey", action="store_true", help="convert colour images to luma")
    add("--n", type=int, default=64, metavar="N", help="images to keep, chosen at random")
    add("--seed", type=int, default=0, metavar="N", help="names which images are kept")
    add_download(parser)


def run(arguments: argparse.Namespace) -> int:
    """Write one file for each set and say what is in it."""
    from anomaly_methods.stored import slug
    from plots.pictures import save_pictures

    if arguments.n < 1 or arguments.seed < 0:
        raise ValueError(f"--n must be at least 1 and --seed 0, got {arguments.n} and {arguments.seed}.")
    if arguments.output.exists() and not arguments.output.is_dir():
        raise ValueError(
            f"--output must name a folder, one .npz in it for each set; {arguments.output} is a file."
        )
    for spec in arguments.data:
        images = _images(arguments, spec)
        described = _described(images, arguments.n, arguments.seed)
        words = (slug(spec), images.split, "grey" if arguments.grey else "")
        path = save_pictures(arguments.output / f"{'-'.join(filter(None, words))}.npz", described)
        _say(described, path)
    return 0


def _images(arguments: argparse.Namespace, spec: str) -> ImageSet:
    found: ImageSet = load_images(
        spec,
        arguments.split,
        image_size=arguments.image_size,
        grey=arguments.grey,
        download=arguments.download,
    )
    return found if arguments.limit is None else found.limited(arguments.limit)


def _described(images: ImageSet, n: int, seed: int) -> Pictures:
    import numpy as np

    from invglow.data.permutation import permuted
    from plots.pictures import LEVELS, Pictures, pixel_counts

    counts = np.zeros((images.image_shape[0], LEVELS), np.int64)
    for start in range(0, len(images), _AT_A_TIME):
        batch = images.batch(range(start, min(start + _AT_A_TIME, len(images))))
        counts += pixel_counts(batch.permute(0, 2, 3, 1).numpy())
    chosen = np.sort(permuted(np.arange(min(n, len(images))), len(images), (seed,)))
    about = {
        "kind": "image set",
        "name": images.name,
        "split": images.split,
        "images": len(images),
        "sha256": images.sha256(),
        "seed": seed,
        "index": chosen.tolist(),
        "versions": library_versions(),
    }
    kept = images.batch(chosen).permute(0, 2, 3, 1).contiguous().numpy()
    return Pictures(kept, counts, about)


def _say(described: Pictures, path: Path) -> None:
    print(f"{described.about['name']}: {described.total} images, {path}")
    for found in described.moments():
        print(f"  mean {found.mean:.2f}, std {found.std:.2f}, {found.lowest} to {found.highest} of 255")
