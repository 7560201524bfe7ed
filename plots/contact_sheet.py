"""Images side by side, each with a caption below and a frame that marks some of them, in a PNG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw, ImageFont

from plots.image_grid import image_grid
from plots.png import save_png
from plots.style import COLOURS

__all__ = ["contact_sheet", "save_contact_sheet"]

MARKED = COLOURS["vermilion"]
PLAIN = "#DDDDDD"

_SIDE = 96  # pixels that a small image is enlarged to, at least
_FRAME = 3
_CAPTION = 16


def contact_sheet(
    images: NDArray[np.uint8], captions: Sequence[str], marked: ArrayLike, *, columns: int | None = None
) -> NDArray[np.uint8]:
    """Lay images out row by row on white, small ones enlarged by whole pixels.

    Args:
        images: (N, H, W), (N, H, W, 1) or (N, H, W, 3), uint8, N >= 1.
        captions: N lines of text.
        marked: (N,), which images get a coloured frame; the others have a light grey one.
        columns: images in a row; by default as many as make the sheet about square.

    Returns:
        (height, width, 3), uint8.

    Raises:
        ValueError: if the images are of another shape or type, or there are not as many captions or marks.
    """
    marks = np.asarray(marked, dtype=np.bool_)
    if not len(images) == len(captions) == len(marks) or not len(images):
        raise ValueError(
            "A contact sheet needs a caption and a mark for each of at least one image, "
            f"got {len(images)} images, {len(captions)} captions and {len(marks)} marks."
        )
    tiles = [
        _tile(image, caption, MARKED if mark else PLAIN)
        for image, caption, mark in zip(images, captions, marks, strict=True)
    ]
    return image_grid(np.stack(tiles), columns=columns, gap=4)


def save_contact_sheet(
    path: Path,
    images: NDArray[np.uint8],
    captions: Sequence[str],
    marked: ArrayLike,
    *,
    columns: int | None = None,
) -> Path:
    """Save `contact_sheet(...)` as a PNG file and return its path; arguments as there."""
    sheet = contact_sheet(images, captions, marked, columns=columns)
    return save_png(path, sheet)


def _tile(image: NDArray[np.uint8], caption: str, colour: str) -> NDArray[np.uint8]:
    zoom = max(1, math.ceil(_SIDE / max(1, *image.shape[:2])))
    picture = Image.fromarray(image_grid(image[np.newaxis], gap=0, zoom=zoom))
    width, height = picture.width + 2 * _FRAME, picture.height + 2 * _FRAME
    tile = Image.new("RGB", (width, height + _CAPTION), "white")
    draw = ImageDraw.Draw(tile)
    draw.rectangle((0, 0, width - 1, height - 1), fill=colour)
    tile.paste(picture.convert("RGB"), (_FRAME, _FRAME))
    draw.text((_FRAME, height + 2), caption, fill="black", font=ImageFont.load_default())
    return np.asarray(tile)
