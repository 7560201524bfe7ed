"""Pictures on disk: find them in a folder, read one, know which errors mean it is damaged."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

__all__ = ["UNREADABLE", "find_pictures", "read_picture"]

_SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"}

# What Pillow raises for files that are damaged, cut short, or not pictures at all.
UNREADABLE = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)


def find_pictures(folder: Path) -> list[Path]:
    """Return all pictures under `folder` in the order of their names; hidden files and folders are left out.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: it holds no picture.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is not a folder: a folder of pictures was expected there.")
    found = sorted(_walk(folder))
    if not found:
        kinds = " ".join(sorted(_SUFFIXES))
        raise ValueError(f"{folder} holds no pictures (looked for {kinds}, in subfolders too).")
    return found


def read_picture(path: Path, channels: int) -> Image.Image:
    """Read one picture, upright, as 8-bit colour (3 channels) or luma (1); raises one of `UNREADABLE`."""
    with Image.open(path) as opened:
        opened.load()
        picture = ImageOps.exif_transpose(opened)
    if picture.mode.startswith("I"):  # 16 bits per pixel, which Pillow would clip instead of scale
        picture = Image.fromarray((np.asarray(picture).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8))
    return picture.convert("RGB" if channels == 3 else "L")


def _walk(folder: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        paths = (Path(place, name) for name in files if not name.startswith("."))
        yield from (path for path in paths if path.suffix.lower() in _SUFFIXES)
