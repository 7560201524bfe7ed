"""Bits per dimension of the simplest model of images, to hold likelihoods of others against.

    python -m benchmarks.pixel_histogram --data fashion-mnist --limit 10000
    python -m benchmarks.pixel_histogram --data cifar10

Every pixel and channel is independent of all others: its 256 probabilities are the counts of the training
images plus one, over their sum (Laplace's rule). Evaluated on test images.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from commands.common import add_download, load_images
from invglow.data.image_set import ImageSet
from invglow.exit_code import exit_code

__all__ = ["histogram_bits_per_dim", "main"]

_LEVELS = 256
_BLOCK = 1000


def histogram_bits_per_dim(train: ImageSet, test: ImageSet) -> NDArray[np.float64]:
    """Return the bits per dimension of each test image, (N,), under the histograms of the training images.

    Raises:
        ValueError: the images of the two sets are not of one shape, or there are none to learn from.
    """
    if train.image_shape != test.image_shape or len(train) == 0:
        raise ValueError(
            f"Histograms need training images of the shape of the test images, {test.image_shape}, got "
            f"{len(train)} of {train.image_shape}: name sets that go together."
        )
    pixels = np.arange(np.prod(test.image_shape))
    counts = np.ones((len(pixels), _LEVELS))
    for values in _blocks(train):
        np.add.at(counts, (pixels, values), 1)
    bits = -np.log2(counts / counts.sum(axis=1, keepdims=True))
    return np.concatenate([bits[pixels, values].mean(axis=1) for values in _blocks(test)])


def _blocks(images: ImageSet) -> list[NDArray[np.uint8]]:
    """Return the pixels of all images, (B, D) each."""
    starts = range(0, len(images), _BLOCK)
    batches = (images.batch(range(start, min(start + _BLOCK, len(images)))) for start in starts)
    return [batch.flatten(1).numpy() for batch in batches]


def main(argv: Sequence[str] | None = None) -> int:
    """Print the mean and its standard error; return 0, or 2 where the input is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.pixel_histogram",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--data", required=True, metavar="NAME", help="image set with training and test images"
    )
    parser.add_argument("--limit", type=int, metavar="N", help="learn from the first N training images")
    parser.add_argument("--grey", action="store_true", help="convert colour images to luma")
    add_download(parser)
    options = parser.parse_args(argv)
    return exit_code(lambda: _run(options))


def _run(options: argparse.Namespace) -> int:
    train, test = (
        load_images(options.data, split, grey=options.grey, download=options.download)
        for split in ("train", "test")
    )
    train = train if options.limit is None else train.limited(options.limit)
    bits = histogram_bits_per_dim(train, test)
    error = bits.std(ddof=1) / len(bits) ** 0.5
    print(
        f"{options.data}: {bits.mean():.3f} bits per dimension (standard error {error:.3f}) of {len(test)} "
        f"test images, histograms of {len(train)} training images"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
