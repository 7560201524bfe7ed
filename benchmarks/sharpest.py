"""Write the sharpest part of an image array: a general set that does not cover smooth images.

    python -m benchmarks.sharpest general/train.npy sharpest/train.npy --fraction 0.333

Sharpness is the mean absolute response to a discrete Laplacian over the image's mean absolute deviation.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from invglow.data.image_set import luma
from invglow.files import replacing

__all__ = ["sharpest", "sharpness"]

_BLOCK = 2000


def sharpness(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return one number per image of (N, H, W, C): higher is sharper, whatever the contrast."""
    grey = luma(images)[..., 0].astype(np.float64)
    inner = grey[:, 1:-1, 1:-1]
    neighbours = grey[:, :-2, 1:-1] + grey[:, 2:, 1:-1] + grey[:, 1:-1, :-2] + grey[:, 1:-1, 2:]
    response = np.abs(4 * inner - neighbours).mean(axis=(1, 2))
    deviation = np.abs(inner - inner.mean(axis=(1, 2), keepdims=True)).mean(axis=(1, 2))
    return np.asarray(response / np.maximum(deviation, 1.0))


def sharpest(images: NDArray[np.uint8], fraction: float) -> NDArray[np.intp]:
    """Return the indices, ascending, of the sharpest `fraction` of the images."""
    if not 0 < fraction <= 1:
        raise ValueError(f"The fraction must be above 0 and at most 1, got {fraction}.")
    blocks = [images[start : start + _BLOCK] for start in range(0, len(images), _BLOCK)]
    scores = np.concatenate([sharpness(block) for block in blocks])
    count = max(1, round(fraction * len(images)))
    return np.sort(np.argsort(-scores, kind="stable")[:count])


def main(arguments: Sequence[str] | None = None) -> None:
    """Read an array, keep its sharpest images, and write them."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sharpest", description=__doc__)
    parser.add_argument("source", type=Path, help=".npy, uint8, N x H x W x C")
    parser.add_argument("target", type=Path, help="the .npy file to write")
    parser.add_argument("--fraction", type=float, default=1 / 3, help="share of the images to keep")
    options = parser.parse_args(arguments)
    images = np.load(options.source, mmap_mode="r", allow_pickle=False)
    kept = sharpest(images, options.fraction)
    with replacing(options.target) as temporary, temporary.open("wb") as file:
        np.save(file, images[kept])
    print(f"{options.target}: the sharpest {len(kept)} of {len(images)} images")


if __name__ == "__main__":
    main()
