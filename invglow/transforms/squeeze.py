"""Squeezing: trade resolution for channels, without loss."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from invglow.transforms.base import Transform

__all__ = ["Squeeze"]


class Squeeze(Transform):
    """Move each 2x2 block of pixels into channels: (B, C, H, W) -> (B, 4C, H/2, W/2).

    Channel c at offset (i, j) of its block becomes channel 4c + 2i + j.

    References:
        Density estimation using Real NVP (Dinh et al., 2017), 3.6.
    """

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        if x.dim() != 4 or x.shape[2] % 2 or x.shape[3] % 2:
            raise ValueError(f"Squeezing needs (B, C, H, W) with even H and W, got {tuple(x.shape)}.")
        z = F.pixel_unshuffle(x, 2).contiguous(memory_format=torch.channels_last)
        return z, x.new_zeros(x.shape[0])

    def inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        if z.dim() != 4 or z.shape[1] % 4:
            raise ValueError(
                f"Undoing a squeeze needs (B, C, H, W) with C divisible by 4, got {tuple(z.shape)}."
            )
        x = F.pixel_shuffle(z, 2).contiguous(memory_format=torch.channels_last)
        return x, z.new_zeros(z.shape[0])
