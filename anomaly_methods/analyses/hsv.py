"""What likelihoods gain or lose when the very same colours are written as hue, saturation and value."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anomaly_methods.metrics import auroc

__all__ = ["HsvShift", "hsv_bits_per_dim", "hsv_log_det", "hsv_shifts"]

_AT_A_TIME = 1024


@dataclass(frozen=True)
class HsvShift:
    """Bits per dimension that the images of a set gain (positive) or lose from RGB to HSV."""

    dataset: str
    images: int
    mean: float
    std: float
    lower_quartile: float
    median: float
    upper_quartile: float
    auroc: float
    """Of the shift alone, of this set against the first: what it does to raw likelihood as a score."""


def hsv_log_det(rgb: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return log|det d(h, s, v) / d(r, g, b)| of each pixel, in nats.

    With M the largest, m the smallest and k the middle channel, `v = M`, `s = 1 - m / M` and
    `h = (constant +- (k - m) / (M - m)) / 6`. v depends on M alone, s on M and m, and h on k by
    `dh/dk = +-1 / (6 (M - m))`. So the determinant is, up to its sign, the product of `dv/dM = 1`,
    `ds/dm = -1 / M` and `dh/dk`: `|det| = 1 / (6 M (M - m))`.

    Args:
        rgb: (..., 3), in (0, 1); hue, saturation and value are in [0, 1] too.

    Returns:
        (...); infinite for pixels without any colour, which have no probability once noise is added.
    """
    largest = rgb.max(axis=-1)
    with np.errstate(divide="ignore"):
        found: NDArray[np.float64] = -np.log(6 * largest * (largest - rgb.min(axis=-1)))
    return found


def hsv_bits_per_dim(images: NDArray[np.uint8], seed: int = 0) -> NDArray[np.float64]:
    """Return how many bits per dimension each image gains by being written as HSV, (N,).

    If x has the density p(x) and y = g(x), then y has the density p(x) / |det dy/dx|. So any model of RGB
    is also one of HSV, and its bits per dimension there are more by the mean of log2|det| over dimensions,
    whatever the model is. No parameter of the model is in this term: gradients with respect to parameters,
    and all that is computed from them, stay as they are.

    Args:
        images: uint8 (N, H, W, 3); pixels become `x = (k + u) / 256` with uniform noise u.
        seed: of the noise.

    Raises:
        ValueError: they are not colour images.

    References:
        Perfect density models cannot guarantee anomaly detection (Le Lan & Dinh, 2021); Dauncey et al.
        (2024), on the invariance of gradients under changes of the representation of data.
    """
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] != 3:
        raise ValueError(
            f"HSV is for uint8 colour images (N, H, W, 3), got {images.dtype} of shape {images.shape}."
        )
    rng = np.random.default_rng(seed)
    parts = []
    for start in range(0, len(images), _AT_A_TIME):
        pixels = images[start : start + _AT_A_TIME]
        log_det = hsv_log_det((pixels + rng.random(pixels.shape)) / 256)
        parts.append(log_det.mean(axis=(1, 2)) / (3 * math.log(2)))
    return np.concatenate(parts)


def hsv_shifts(shifts: Mapping[str, ArrayLike]) -> list[HsvShift]:
    """Sum up the shifts (N,) of several sets, the in-distribution one first.

    Raises:
        ValueError: there is no set, or a set has no image.
    """
    arrays = {name: np.asarray(values, np.float64) for name, values in shifts.items()}
    if not arrays or not all(array.size for array in arrays.values()):
        raise ValueError(
            f"Shifts need at least one set and an image in each, got {', '.join(arrays) or 'none'}."
        )
    first = next(iter(arrays.values()))
    return [_shift(name, array, first) for name, array in arrays.items()]


def _shift(name: str, array: NDArray[np.float64], first: NDArray[np.float64]) -> HsvShift:
    low, middle, high = (float(value) for value in np.quantile(array, (0.25, 0.5, 0.75)))
    return HsvShift(
        dataset=name,
        images=len(array),
        mean=float(array.mean()),
        std=float(array.std()),
        lower_quartile=low,
        median=middle,
        upper_quartile=high,
        auroc=math.nan if array is first else auroc(first, array),
    )
