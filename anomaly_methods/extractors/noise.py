"""Noise that depends on the image and the seed alone, never on how images are batched."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["standard_normal_noise", "uniform_noise"]


def uniform_noise(indices: range, shape: tuple[int, int, int], *, seed: int, draw: int) -> Tensor:
    """Return noise in [0, 1) for the images at `indices`, float32 (B, C, H, W), channels last in memory.

    Each image has its own place in the counter of a Philox generator, given by its index and the draw.

    Args:
        indices: positions in the image set.
        shape: (C, H, W).
        seed: the generator's key, at least 0.
        draw: number of the draw, at least 0.

    References:
        Parallel Random Numbers: As Easy as 1, 2, 3 (Salmon et al., 2011).
    """
    channels, height, width = shape
    noise: NDArray[np.float32] = np.empty((len(indices), height, width, channels), dtype=np.float32)
    for row, index in enumerate(indices):
        # An image takes far fewer than 2^128 numbers, so the streams never meet.
        counter = np.array([0, 0, draw, index], dtype=np.uint64)
        generator = np.random.Generator(np.random.Philox(key=seed, counter=counter))
        generator.random(dtype=np.float32, out=noise[row])
    return torch.from_numpy(noise).permute(0, 3, 1, 2)


def standard_normal_noise(indices: range, size: int, *, seed: int, draw: int) -> Tensor:
    """Return independent standard normals for the images at `indices`, float64 (B, size).

    Their place in the counter is apart from those of `uniform_noise`. Arguments are as there; an image takes
    `size` numbers.
    """
    noise: NDArray[np.float64] = np.empty((len(indices), size))
    for row, index in enumerate(indices):
        counter = np.array([0, 1, draw, index], dtype=np.uint64)
        np.random.Generator(np.random.Philox(key=seed, counter=counter)).standard_normal(out=noise[row])
    return torch.from_numpy(noise)
