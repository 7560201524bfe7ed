"""How small a part of all images those are whose total variation is bounded, as that of digits is."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq, minimize_scalar
from scipy.special import gammaln

__all__ = ["VolumeBound", "log10_volume_bound", "log_decay", "total_variation", "volume_bounds"]

_AT_A_TIME = 1024
_LN10 = math.log(10)


@dataclass(frozen=True)
class VolumeBound:
    """What share of all images has no more total variation than some images of a set."""

    dataset: str
    share_of_set: float
    """Of the set's images, how many have at most this total variation."""
    total_variation: float
    log10_volume: float
    """Upper bound on log10 of the share of [0, 1]^D; 0 where nothing is known."""
    bits_per_dim: float
    """A model that draws such images alone gives them at most so many bits per dimension on average, since no
    density on a set has more entropy than the uniform one: 8 + log2(volume) / D."""


def total_variation(images: NDArray[np.uint8], seed: int | None = 0) -> NDArray[np.float64]:
    """Return `sum |x_a - x_b|` over all pairs of neighbours (above and beside each other), of each image.

    Args:
        images: uint8 (N, H, W, C); pixels become `x = (k + u) / 256` in [0, 1].
        seed: of uniform noise u, as models are trained with; None for u = 1/2.

    Returns:
        (N,), summed over channels.
    """
    rng = None if seed is None else np.random.default_rng(seed)
    parts = [
        _variation(images[start : start + _AT_A_TIME], rng) for start in range(0, len(images), _AT_A_TIME)
    ]
    return np.concatenate(parts)


def log10_volume_bound(image_shape: tuple[int, int, int], largest: float) -> float:
    """Return an upper bound on log10 of the volume of `{x in [0, 1]^D: TV(x) <= V}`, at most 0.

    Two bounds are taken, whichever is smaller. Let n_h = C H (W - 1) and n_v = C (H - 1) W be the numbers of
    horizontal and vertical pairs, and TV = TV_h + TV_v the sums over them.

    1. **Volume of a ball.** If TV <= V, then TV_h <= a V or TV_v <= (1 - a) V, for any a in [0, 1]. Write
       each row of an image as its first pixel and the differences d of neighbours: this linear map has
       determinant 1, the first pixel is in [0, 1], and `TV_h = |d|_1`. So the images with TV_h <= v have at
       most the volume of the ball of radius v of the 1-norm in n_h dimensions, `(2 v)^n_h / n_h!`. The same
       holds for columns, and the two volumes are added: `(2 a V)^n_h / n_h! + (2 (1 - a) V)^n_v / n_v!`, here
       with a = n_h / (n_h + n_v). For one row a = 1, and the second term is not there.
    2. **Markov's inequality with the sides of the cube.** For any s > 0 and uniform x, by Markov and then
       Cauchy and Schwarz, `P(TV <= V) <= e^(sV) E[e^(-s TV)]` and
       `E[e^(-s TV)] <= (E[e^(-2s TV_h)] E[e^(-2s TV_v)])^1/2`. Rows are independent, and for one row
       `E[e^(-t TV)] = <1, K^(W-1) 1>`, K the integral operator with kernel `e^(-t |x - y|)` on [0, 1]. K is
       self-adjoint, so this is at most its largest eigenvalue to the power of W - 1: `2 t / (t^2 + w^2)`,
       where w in (0, pi) solves `w tan(w / 2) = t` (`log_decay`). Hence
       `P <= e^(tV/2) (2 t / (t^2 + w^2))^((n_h + n_v) / 2)` for every t > 0; the t that makes it smallest is
       searched for, and any t is a valid choice. For one row nothing is halved.

    The first is the sharper one where V is small, the second where V nears what uniform noise has.

    Args:
        image_shape: (C, H, W), D = C H W.
        largest: V, in units of the range of a pixel.

    Raises:
        ValueError: V is not positive, or an image has no neighbours.

    References:
        The second paper (Dauncey et al., 2024) argues in its appendix that digits are few among all images;
        this proof is our own. Kernel: the covariance of the Ornstein-Uhlenbeck process, whose eigenvalues are
        textbook (for example Ghanem & Spanos, Stochastic Finite Elements, 1991, section 2.3).
    """
    C, H, W = image_shape
    counts = [count for count in (C * H * (W - 1), C * (H - 1) * W) if count > 0]
    if not counts or not 0 < largest < math.inf:
        raise ValueError(
            f"A bound needs a positive total variation and images of at least two pixels, got {largest} and "
            f"{image_shape}."
        )
    return min(0.0, _ball(counts, largest), _markov(counts, largest))


def log_decay(rate: float) -> float:
    """Return the log of the largest eigenvalue of `e^(-t |x - y|)` on [0, 1]: log(2 t / (t^2 + w^2)).

    Args:
        rate: t > 0.
    """
    root = brentq(lambda w: w * math.sin(w / 2) - rate * math.cos(w / 2), 0.0, math.pi, xtol=1e-14)
    return math.log(2 * rate) - math.log(rate**2 + float(root) ** 2)


def volume_bounds(
    images: NDArray[np.uint8], dataset: str, shares: tuple[float, ...] = (0.5, 0.95, 1.0), seed: int = 0
) -> list[VolumeBound]:
    """Bound the volume of images that have no more total variation than a share of a set's images.

    Args:
        images: uint8 (N, H, W, C).
        dataset: what the set is called.
        shares: of the set's images, 1 for all of them.
        seed: of the noise.

    Raises:
        ValueError: there is no image, or a share is not from 0 to 1.
    """
    for share in shares:
        if not 0 <= share <= 1 or not len(images):
            raise ValueError(f"Images must be given and shares must be from 0 to 1, got {share}.")
    _, height, width, channels = images.shape
    dimensions = height * width * channels
    variations = total_variation(images, seed)
    bounds = []
    for share in shares:
        largest = float(np.quantile(variations, share, method="higher"))
        volume = log10_volume_bound((channels, height, width), largest)
        bits = 8 + volume / (dimensions * math.log10(2))
        bounds.append(VolumeBound(dataset, share, largest, volume, bits))
    return bounds


def _variation(images: NDArray[np.uint8], rng: np.random.Generator | None) -> NDArray[np.float64]:
    noise = 0.5 if rng is None else rng.random(images.shape)
    x = (images + noise) / 256
    beside, above = np.abs(np.diff(x, axis=2)), np.abs(np.diff(x, axis=1))
    found: NDArray[np.float64] = beside.sum(axis=(1, 2, 3)) + above.sum(axis=(1, 2, 3))
    return found


def _ball(counts: list[int], largest: float) -> float:
    """Return log10 of the sum of the volumes of balls of the 1-norm that share the radius."""
    logs = [n * math.log(2 * largest * n / sum(counts)) - float(gammaln(n + 1)) for n in counts]
    return float(np.logaddexp.reduce(logs)) / _LN10


def _markov(counts: list[int], largest: float) -> float:
    """Return log10 of the smallest bound by Markov's inequality."""
    parts = len(counts)

    def bound(log_rate: float) -> float:
        rate = math.exp(log_rate)
        return (rate * largest + sum(counts) * log_decay(rate)) / parts

    found = minimize_scalar(bound, bounds=(-10, 15), method="bounded", options={"xatol": 1e-8})
    return float(found.fun) / _LN10
