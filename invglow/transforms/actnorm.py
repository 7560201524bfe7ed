"""Activation normalization: one learned shift and scale per channel."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from invglow.transforms.base import ChannelAffine, check_channels

__all__ = ["ActNorm"]


class ActNorm(ChannelAffine):
    """Per-channel affine map `z = exp(log_scale) * (x + loc)`.

    A fresh ActNorm is the identity. `fit` sets it from data once; there is no hidden flag.

    Args:
        channels: number of channels C.

    References:
        Glow: Generative Flow with Invertible 1x1 Convolutions (Kingma and Dhariwal, 2018), 3.1.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.loc = nn.Parameter(torch.zeros(channels))
        self.log_scale = nn.Parameter(torch.zeros(channels))

    @torch.no_grad()
    def fit(self, x: Tensor, minimal_std: float = 1e-6) -> None:
        """Set the parameters so that `forward(x)` has mean 0 and variance 1 per channel.

        Args:
            x: batch of shape (B, C, H, W).
            minimal_std: channels with less than this are taken as constant and only shifted. Dividing by so
                little would blow up rounding in one step after the other.
        """
        check_channels(x, len(self.loc))
        std, mean = torch.std_mean(x, dim=(0, 2, 3), correction=0)
        self.loc.copy_(-mean)
        self.log_scale.copy_(-std.where(std >= minimal_std, 1.0).log())

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        check_channels(x, len(self.loc))
        z = (x + _per_channel(self.loc)) * _per_channel(self.log_scale.exp())
        return z, self.log_det(x)

    def inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        check_channels(z, len(self.loc))
        x = z * _per_channel((-self.log_scale).exp()) - _per_channel(self.loc)
        return x, -self.log_det(z)

    def scale(self) -> Tensor:
        """Return the positive scales exp(log_scale) of shape (C,)."""
        return self.log_scale.exp()

    def matrix(self) -> Tensor:
        return torch.diag(self.scale())

    def bias(self) -> Tensor:
        return self.scale() * self.loc

    def log_det_per_pixel(self) -> Tensor:
        return self.log_scale.sum()


def _per_channel(values: Tensor) -> Tensor:
    return values.view(1, -1, 1, 1)
