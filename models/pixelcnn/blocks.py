"""The gated residual block of PixelCNN++."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["GatedBlock"]


class GatedBlock(nn.Module):
    """Adds a gated function of the features, and of others where there are any, to the features.

    Args:
        conv: makes a convolution with these numbers of input and output channels that keeps the order.
        channels: of the features.
        others: channels of the other features, which come in through a 1x1 convolution; 0 for none.

    References:
        PixelCNN++ (Salimans et al., 2017), section 2.5.
    """

    def __init__(self, conv: Callable[[int, int], nn.Module], channels: int, others: int = 0) -> None:
        super().__init__()
        self.first = conv(2 * channels, channels)
        self.bring_in = nn.Conv2d(2 * others, channels, 1) if others else None
        self.second = conv(2 * channels, 2 * channels)

    def forward(self, x: Tensor, others: Tensor | None = None) -> Tensor:
        hidden = self.first(_both_ways(x))
        if self.bring_in is not None and others is not None:
            hidden = hidden + self.bring_in(_both_ways(others))
        value, gate = self.second(_both_ways(hidden)).chunk(2, dim=1)
        result: Tensor = x + value * gate.sigmoid()
        return result


def _both_ways(x: Tensor) -> Tensor:
    """Concatenate ELU of x and of -x, which keeps what a rectifier would lose."""
    return F.elu(torch.cat((x, -x), dim=1))
