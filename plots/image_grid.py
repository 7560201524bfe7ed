"""Images of one size laid out as a grid, pixel by pixel, in a PNG."""

from __future__ import annotations

import argparse
import math
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plots.command import run_command
from plots.png import save_png

__all__ = ["image_grid", "save_image_grid"]

_BACKGROUND = 255


def image_grid(
    images: NDArray[np.uint8], *, columns: int | None = None, gap: int = 2, zoom: int = 1
) -> NDArray[np.uint8]:
    """Lay images out row by row on white.

    Args:
        images: (N, H, W), (N, H, W, 1) or (N, H, W, 3), uint8, N >= 1.
        columns: images in a row; by default as many as make the grid about square.
        gap: white pixels around each image.
        zoom: each pixel becomes a square of this many pixels on a side.

    Returns:
        (height, width) for grey images or (height, width, 3) for colour, uint8.

    Raises:
        ValueError: if the images are of another shape or type, or a number is out of range.
    """
    tiles = _checked(images)
    if gap < 0 or zoom < 1 or (columns is not None and columns < 1):
        raise ValueError(
            "A grid needs gap >= 0, zoom >= 1 and columns >= 1, "
            f"got gap={gap}, zoom={zoom}, columns={columns}."
        )
    tiles = tiles.repeat(zoom, axis=1).repeat(zoom, axis=2)
    count, height, width, channels = tiles.shape
    across = min(count, columns or math.ceil(math.sqrt(count)))
    down = math.ceil(count / across)
    sheet = np.full(
        (down * (height + gap) + gap, across * (width + gap) + gap, channels), _BACKGROUND, np.uint8
    )
    for number, tile in enumerate(tiles):
        row, column = divmod(number, across)
        top, left = gap + row * (height + gap), gap + column * (width + gap)
        sheet[top : top + height, left : left + width] = tile
    return sheet[..., 0] if channels == 1 else sheet


def save_image_grid(
    path: Path, images: NDArray[np.uint8], *, columns: int | None = None, gap: int = 2, zoom: int = 1
) -> Path:
    """Save `image_grid(images)` as a PNG file and return its path; arguments as there."""
    sheet = image_grid(images, columns=columns, gap=gap, zoom=zoom)
    return save_png(path, sheet)


def _checked(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the images as (N, H, W, C), or raise."""
    if images.dtype != np.uint8:
        raise ValueError(f"A grid shows uint8 images, got {images.dtype}: convert them to 0..255 first.")
    tiles = images[..., np.newaxis] if images.ndim == 3 else images
    if tiles.ndim != 4 or tiles.shape[-1] not in {1, 3} or 0 in tiles.shape:
        raise ValueError(
            "A grid shows at least one image, as (N, H, W), (N, H, W, 1) or (N, H, W, 3), "
            f"got an array of shape {images.shape}."
        )
    return tiles


def _array(path: Path) -> NDArray[Any]:
    """Return the array of a file, of which only what is looked at is read."""
    try:
        found = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        reason = str(error).rstrip(".")
        raise ValueError(f"{path} is no array of images, or damaged ({reason}): save it anew.") from error
    if not isinstance(found, np.ndarray) or not found.ndim:
        raise ValueError(
            f"{path} must be a .npy array of images: draw an .npz with python -m plots.model_samples {path}."
        )
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw the first images of an array file: `python -m plots.image_grid images.npy grid.png`."""
    parser = argparse.ArgumentParser(prog="python -m plots.image_grid", description=__doc__)
    parser.add_argument("images", type=Path, help=".npy file, uint8, N x H x W or N x H x W x C")
    parser.add_argument("output", type=Path, help="the PNG file to write")
    parser.add_argument("--n", type=int, default=64, help="how many images, from the first (default: 64)")
    parser.add_argument("--columns", type=int, help="images in a row (default: about as many as rows)")
    parser.add_argument("--zoom", type=int, default=2, help="size of a pixel in the PNG (default: 2)")
    options = parser.parse_args(arguments)
    images = np.asarray(_array(options.images)[: max(options.n, 0)])
    print(save_image_grid(options.output, images, columns=options.columns, zoom=options.zoom))


if __name__ == "__main__":
    run_command(main)
