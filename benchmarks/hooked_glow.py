"""The steps of a Glow as layers that opacus can hook: all parameters in modules of one input and output."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from invglow.flows import GlowConfig

__all__ = ["HookedGlow"]


class HookedGlow(nn.Module):
    """A Glow of the same layers and sizes, for the time that per-image gradients take opacus.

    It is no density: hooks see no parameter outside the forward of its own module, so that the terms of the
    log-determinant that depend on parameters alone, and the scales of the priors, are left out.

    Args:
        config: sizes.
    """

    def __init__(self, config: GlowConfig) -> None:
        super().__init__()
        channels = config.image_shape[0]
        self.scales = nn.ModuleList()
        for _ in range(config.scales):
            channels *= 4
            steps = [_HookedStep(channels, config.hidden_channels) for _ in range(config.steps_per_scale)]
            self.scales.append(nn.Sequential(*steps))
            channels //= 2

    def forward(self, x: Tensor) -> Tensor:
        """Return one number per image, (B,)."""
        total = x.new_zeros(len(x))
        for scale in self.scales:
            x = scale(F.pixel_unshuffle(x, 2))
            total = total - 0.5 * x.square().sum(dim=(1, 2, 3))
            x = x.chunk(2, dim=1)[1]
        return total


class _HookedStep(nn.Module):
    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.norm = _Affine(channels)
        self.mixing = nn.Conv2d(channels, channels, 1, bias=False)
        nn.init.orthogonal_(self.mixing.weight)
        self.network = nn.Sequential(
            nn.Conv2d(channels // 2, hidden, 3, padding=1, bias=False),
            _Affine(hidden),
            nn.ReLU(),
            nn.Conv2d(hidden, hidden, 1, bias=False),
            _Affine(hidden),
            nn.ReLU(),
            nn.Conv2d(hidden, channels, 3, padding=1, bias=False),
            _Affine(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        first, second = self.mixing(self.norm(x)).chunk(2, dim=1)
        output = self.network(first)
        return torch.cat((first, (second + output[:, 0::2]) * torch.sigmoid(output[:, 1::2] + 2)), dim=1)


class _Affine(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.loc = nn.Parameter(torch.zeros(channels))
        self.log_scale = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        return (x + self.loc[:, None, None]) * self.log_scale.exp()[:, None, None]
