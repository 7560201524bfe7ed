"""Small files in the exact formats of the published sets, made by the tests."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = ["Trap", "images", "save_batch", "save_picture"]


def images(count: int, *, size: int = 32, channels: int = 3, seed: int = 0) -> NDArray[np.uint8]:
    """Return random images (count, size, size, channels)."""
    shape = (count, size, size, channels)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def save_picture(
    path: Path, *, size: tuple[int, int] = (48, 40), colour: tuple[int, int, int] = (200, 30, 90)
) -> None:
    """Save a picture of one colour; `size` is width, height."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)


def save_batch(
    path: Path, found: NDArray[np.uint8], labels: list[int], key: str = "labels", protocol: int = 2
) -> None:
    """Save images (N, 32, 32, 3) as CIFAR and ImageNet-32 do: planes of colour, one row per image."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = np.ascontiguousarray(found.transpose(0, 3, 1, 2)).reshape(len(found), -1)
    path.write_bytes(pickle.dumps({b"data": rows, key.encode(): labels}, protocol=protocol))


class Trap:
    """Pickles to a call that would create a file."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.marker,)
