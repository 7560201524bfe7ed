"""Bring pictures and image arrays to another size: antialiased, then cut from the centre."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps
from tqdm import tqdm

from invglow.data.arrays import blocks, open_images, writing_array

__all__ = ["at_size", "file_key", "fit_picture"]


def fit_picture(picture: Image.Image, size: int) -> Image.Image:
    """Return the picture's central square at size x size pixels, by Pillow's antialiased bicubic filter."""
    if picture.size == (size, size):
        return picture
    return ImageOps.fit(picture, (size, size), Image.Resampling.BICUBIC)


def at_size(images: NDArray[np.uint8], size: int, cache: Path, key: str) -> NDArray[np.uint8]:
    """Return (N, H, W, C) images as (N, size, size, C), memory-mapped from `cache`, where they are made once.

    Args:
        images: any number of images; read in blocks.
        size: wanted height and width in pixels.
        cache: folder for the resized copy.
        key: names these images, see `file_key`; another key makes another copy.
    """
    if images.shape[1:3] == (size, size):
        return images
    path = cache / f"{key}-{size}px.npy"
    if not path.is_file():
        with (
            writing_array(path, (size, size, images.shape[-1])) as writer,
            tqdm(total=len(images), desc=f"resizing to {size}x{size}", unit="img", disable=None) as bar,
        ):
            for block in blocks(images):
                writer.append(np.stack([_resized(image, size) for image in block]))
                bar.update(len(block))
    return open_images(path)


def file_key(name: str, *paths: Path) -> str:
    """Return `name` with a hash of these files' places, sizes and times: it changes when one of them does."""
    lines = [f"{path.resolve()}\0{path.stat().st_size}\0{path.stat().st_mtime_ns}" for path in paths]
    return f"{name}-{hashlib.sha256(chr(10).join(lines).encode()).hexdigest()[:16]}"


def _resized(image: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
    return np.asarray(fit_picture(picture, size)).reshape(size, size, -1)
