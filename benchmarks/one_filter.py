"""Write two general sets from the same crops of photographs: all downsized in one sharp way, or in many.

    python -m benchmarks.one_filter general/one/train.npy --ways one
    python -m benchmarks.one_filter general/many/train.npy --ways many

The crops are the same in both; `one` downsizes each with a box filter, `many` with a random one of five
filters and blurs half of them a little. Every image then passes through a JPEG coder (quality 75, 4:2:0), as
the sets of docs/results.md did, so that compression tells no set from another.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from invglow.data.arrays import writing_array
from invglow.data.crops import CropSettings, random_crop
from invglow.data.photos import find_photographs
from invglow.data.pictures import read_picture

__all__ = ["WAYS", "downsized_crop", "through_jpeg"]

WAYS = {
    "one": CropSettings(filters=(Image.Resampling.BOX,), blurred=0.0),
    "many": CropSettings(blurred=0.5),
}
_CHUNK = 500


def downsized_crop(
    photographs: Sequence[Image.Image], ways: CropSettings, seed: tuple[int, ...]
) -> NDArray[np.uint8]:
    """Return the crop (32, 32, 3) of `seed`, resized in one of the `ways`; its box is the same for all."""
    rng = np.random.default_rng(seed)
    picture = photographs[int(rng.integers(len(photographs)))]
    return random_crop(picture, replace(ways, size=32), rng)[0]


def through_jpeg(image: NDArray[np.uint8], quality: int = 75) -> NDArray[np.uint8]:
    """Return (H, W, 3) coded and decoded again, with chroma at half resolution."""
    buffer = BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=quality, subsampling="4:2:0")
    return np.asarray(Image.open(buffer))


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw the crops and write them."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.one_filter",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("target", type=Path, help="the .npy file to write")
    parser.add_argument("--ways", choices=sorted(WAYS), required=True, help="how crops are downsized")
    parser.add_argument("--images", type=int, default=40_000, help="how many (default: 40000)")
    options = parser.parse_args(arguments)
    photographs = [read_picture(path, channels=3) for path in find_photographs()]
    with writing_array(options.target, (32, 32, 3)) as writer, tqdm(total=options.images, unit="img") as bar:
        for start in range(0, options.images, _CHUNK):
            numbers = range(start, min(start + _CHUNK, options.images))
            crops = [downsized_crop(photographs, WAYS[options.ways], (0, number)) for number in numbers]
            writer.append(np.stack([through_jpeg(crop) for crop in crops]))
            bar.update(len(crops))


if __name__ == "__main__":
    main()
