"""Random numbers that depend on a seed and an image's index alone, for models whose log_prob draws some.

So the noise of an image is the same whatever its batch and the order of evaluation. Where an image comes
without an index, as in training, its pixels take the place of one: training images carry fresh dequantisation
noise in every step, and so meet fresh noise here as well, which a resumed training meets again.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["SEEDS", "normal_noise", "require_seed", "uniform_noise"]

SEEDS = 1 << 20
"""Seeds that a user may choose among; models make more of them, which must fit into 64 bits."""

# SplitMix64 (Steele, Lea and Flood, 2014), in signed 64-bit integers, whose products wrap around.
_GOLDEN = -0x61C8864680B583EB
_MIX_1, _MIX_2 = -0x40A7B892E31B1A47, -0x6B2FB644ECCEEE15
_FRACTION_BITS = 32  # of a pixel that count: more than float32 has between -1/2 and 1/2


def require_seed(noise_seed: int) -> None:
    """Refuse a seed that is out of range.

    Raises:
        ValueError: saying which are not.
    """
    if not 0 <= noise_seed < SEEDS:
        raise ValueError(f"noise_seed must be at least 0 and below {SEEDS}, got {noise_seed}.")


def normal_noise(x: Tensor, shape: tuple[int, ...], seed: int, index: Tensor | None = None) -> Tensor:
    """Return standard normal numbers (B, *shape) for images x (B, C, H, W), in the type of x.

    Args:
        x: the images.
        shape: of the numbers of one image.
        seed: names the numbers, together with the index.
        index: (B,), int64, that of each image in its set; by default the pixels tell images apart.

    References:
        A note on the generation of random normal deviates (Box and Muller, 1958).
    """
    count = math.prod(shape)
    pairs = (count + 1) // 2
    uniform = _uniform(_keys(x, seed, index), 2 * pairs)
    radius = (-2 * uniform[:, :pairs].log()).sqrt()
    angle = 2 * math.pi * uniform[:, pairs:]
    normal = torch.cat((radius * angle.cos(), radius * angle.sin()), dim=1)
    return normal[:, :count].reshape(-1, *shape).to(x.dtype)


def uniform_noise(x: Tensor, shape: tuple[int, ...], seed: int, index: Tensor | None = None) -> Tensor:
    """Return numbers uniform in (0, 1), (B, *shape), in float64; arguments as for `normal_noise`."""
    return _uniform(_keys(x, seed, index), math.prod(shape)).reshape(-1, *shape)


def _uniform(keys: Tensor, count: int) -> Tensor:
    counter = torch.arange(1, count + 1, device=keys.device)
    bits = _mixed(keys[:, None] + counter * _GOLDEN)
    # The upper 52 bits, at the centres of their cells: neither 0 nor 1 ever comes out.
    return (_shifted(bits, 12).double() + 0.5) * 2.0**-52


def _keys(x: Tensor, seed: int, index: Tensor | None) -> Tensor:
    """Return one 64-bit number per image, (B,), which changes with the seed and its index or any pixel."""
    return _pixel_keys(x, seed) if index is None else _mixed(_mixed((index + 1) * _GOLDEN) + seed)


def _pixel_keys(x: Tensor, seed: int) -> Tensor:
    pixels = (x.detach().double() * 2.0**_FRACTION_BITS).round().to(torch.int64).flatten(1)
    places = torch.arange(1, pixels.shape[1] + 1, device=x.device)
    weights = _mixed(places * _GOLDEN + seed) | 1
    return _mixed((_mixed(pixels) * weights).sum(dim=1) + seed)


def _mixed(bits: Tensor) -> Tensor:
    bits = (bits ^ _shifted(bits, 30)) * _MIX_1
    bits = (bits ^ _shifted(bits, 27)) * _MIX_2
    return bits ^ _shifted(bits, 31)


def _shifted(bits: Tensor, by: int) -> Tensor:
    """Shift to the right and fill with zeros; torch's own shift would fill with the sign."""
    return (bits >> by) & ((1 << (64 - by)) - 1)
