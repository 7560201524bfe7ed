"""Images in a file with what they are: samples of a model, or some images of a set and its pixel counts."""

from __future__ import annotations

import json
import math
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from invglow.files import replacing

__all__ = ["LEVELS", "Moments", "Pictures", "load_pictures", "pixel_counts", "require_npz", "save_pictures"]

LEVELS = 256
"""Values that a pixel can have."""

# What samples of a model come with.
_OF_SAMPLES = ("name", "temperature", "seed")
# What zipfile and numpy raise on archives that are cut short, have changed bytes or hold something else.
_DAMAGED = (zipfile.BadZipFile, zlib.error, ValueError, KeyError, IndexError, EOFError, TypeError)


@dataclass(frozen=True)
class Moments:
    """What the pixels of one channel are like, on the scale from 0 to 255."""

    mean: float
    std: float
    lowest: int
    highest: int


@dataclass(frozen=True, eq=False)
class Pictures:
    """Some images, and how often each pixel value occurs in all that they stand for.

    Attributes:
        images: uint8 (N, H, W, C), C of 1 or 3.
        counts: int64 (C, 256), pixels of each value; by default those of `images` themselves.
        about: what they are, in JSON types, such as the model, temperature and seed.

    Raises:
        ValueError: an array has another shape or type.
    """

    images: NDArray[np.uint8]
    counts: NDArray[np.int64] = field(default_factory=lambda: np.zeros((0, LEVELS), np.int64))
    about: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        images = self.images[..., np.newaxis] if self.images.ndim == 3 else self.images
        if (
            images.dtype != np.uint8
            or images.ndim != 4
            or images.shape[-1] not in {1, 3}
            or 0 in images.shape
        ):
            raise ValueError(
                "Pictures are at least one uint8 image, N x H x W or N x H x W x C, C of 1 or 3; got an "
                f"array of shape {self.images.shape} and type {self.images.dtype}."
            )
        counts = self.counts if len(self.counts) else pixel_counts(images)
        if counts.shape != (images.shape[-1], LEVELS) or counts.dtype.kind not in "iu" or (counts < 0).any():
            raise ValueError(f"Pixel counts must be ({images.shape[-1]}, {LEVELS}) whole numbers >= 0.")
        object.__setattr__(self, "images", images)
        object.__setattr__(self, "counts", counts.astype(np.int64))

    @property
    def total(self) -> int:
        """How many images the counts are of."""
        return int(self.counts[0].sum()) // math.prod(self.images.shape[1:3])

    def moments(self) -> list[Moments]:
        """Return the moments of each channel, exactly, over all images that were counted."""
        levels = np.arange(LEVELS)
        found = []
        for counts in self.counts:
            present = np.flatnonzero(counts)
            mean = float(np.average(levels, weights=counts))
            variance = float(np.average((levels - mean) ** 2, weights=counts))
            found.append(Moments(mean, math.sqrt(variance), int(present[0]), int(present[-1])))
        return found


def pixel_counts(images: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Count the values of the pixels of images (N, H, W, C) in each channel: (C, 256)."""
    channels = np.moveaxis(images, -1, 0)
    return np.stack([np.bincount(channel.reshape(-1), minlength=LEVELS) for channel in channels])


def require_npz(path: Path) -> None:
    """Refuse a name that promises another format than the one that is written.

    Raises:
        ValueError: it does not end in .npz.
    """
    if path.suffix != ".npz":
        raise ValueError(f"Arrays of images are written as .npz: name such a file, not {path}.")


def save_pictures(path: Path, pictures: Pictures) -> Path:
    """Write an .npz, whole or not at all; main.py reads its images as `array:FILE.npz`.

    Raises:
        ValueError: the name does not end in .npz.
        OSError: it cannot be written; an earlier file at `path` stays as it was.
    """
    require_npz(path)
    about = np.array(json.dumps(dict(pictures.about)))
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, images=pictures.images, counts=pictures.counts, about=about)
    return path


def load_pictures(path: Path) -> Pictures:
    """Read what `save_pictures` wrote, or any .npy or .npz (its array `images`) of uint8 images.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged, or holds no images.
    """
    if not path.is_file():
        raise FileNotFoundError(f"There is no array of images {path}: save one, or check the name.")
    try:
        with path.open("rb") as file:
            return _read(np.load(file, allow_pickle=False))
    except _DAMAGED as error:
        reason = str(error).rstrip(".")
        raise ValueError(f"{path} is no array of images, or damaged ({reason}): save it anew.") from error


def _read(loaded: Any) -> Pictures:
    if isinstance(loaded, np.ndarray):
        return Pictures(loaded)
    with loaded:
        about = _checked(json.loads(str(loaded["about"]))) if "about" in loaded else {}
        counts = loaded["counts"] if "counts" in loaded else np.zeros((0, LEVELS), np.int64)
        images = loaded["images"] if len(loaded.files) > 1 else loaded[loaded.files[0]]
        return Pictures(images, counts, about)


def _checked(about: Any) -> dict[str, Any]:
    """Return what images are, if it says what figures of them tell."""
    if not isinstance(about, dict):
        raise ValueError(f"what they are must be an object, got {about!r}")
    if about.get("kind") == "samples" and not all(name in about for name in _OF_SAMPLES):
        raise ValueError(f"samples must come with {', '.join(_OF_SAMPLES)}, got {', '.join(about)}")
    return about
