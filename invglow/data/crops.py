"""Random crops of a photograph at random scales, resized in different ways: what general sets are made of."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

__all__ = ["CropSettings", "random_box", "random_crop"]

Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class CropSettings:
    """How crops are drawn. One sharp way of downsizing would teach a model that way, not natural images.

    Attributes:
        size: height and width in pixels of the result.
        largest: side of the largest crop as a fraction of the photograph's shorter side.
        whole: share of the crops that are as large as that.
        filters: Pillow's resampling filters, each as likely as the others.
        blurred: share of the crops that are blurred after resizing.
        blur: standard deviation of the blur in pixels of the result, from and to.
    """

    size: int = 32
    largest: float = 1.0
    whole: float = 0.0
    filters: tuple[Image.Resampling, ...] = (
        Image.Resampling.BOX,
        Image.Resampling.BILINEAR,
        Image.Resampling.HAMMING,
        Image.Resampling.BICUBIC,
        Image.Resampling.LANCZOS,
    )
    blurred: float = 0.3
    blur: tuple[float, float] = (0.3, 1.0)


def random_box(width: int, height: int, settings: CropSettings, rng: np.random.Generator) -> Box:
    """Draw a square (left, top, right, bottom), its side log-uniform or (`whole`) the largest."""
    shorter = min(width, height)
    largest = max(1.0, settings.largest * shorter)
    smallest = min(float(settings.size), largest)
    side = round(math.exp(rng.uniform(math.log(smallest), math.log(largest))))
    side = round(largest) if rng.random() < settings.whole else side
    left, top = int(rng.integers(width - side + 1)), int(rng.integers(height - side + 1))
    return left, top, left + side, top + side


def random_crop(
    picture: Image.Image, settings: CropSettings, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], Box]:
    """Return a random crop, uint8 (size, size, channels of the picture), and the box it was cut from."""
    box = random_box(*picture.size, settings, rng)
    resampling = settings.filters[rng.integers(len(settings.filters))]
    # A large crop is first averaged over whole pixels, to three times the result: faster, and looks the same.
    crop = picture.resize((settings.size, settings.size), resampling, box=box, reducing_gap=3.0)
    if rng.random() < settings.blurred:
        crop = crop.filter(ImageFilter.GaussianBlur(rng.uniform(*settings.blur)))
    return np.asarray(crop).reshape(settings.size, settings.size, -1), box
