"""The plain PixelCNN: masked convolutions and one logit for each of 256 grey levels."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["MaskedConv", "PlainNetwork"]


class MaskedConv(nn.Conv2d):
    """Convolution over earlier pixels in raster order and, but for the first layer, over the pixel itself.

    References:
        Pixel recurrent neural networks (van den Oord et al., 2016), section 3.4: masks A (first) and B.
    """

    mask: Tensor

    def __init__(self, inputs: int, outputs: int, kernel_size: int, *, first: bool = False) -> None:
        super().__init__(inputs, outputs, kernel_size, padding=kernel_size // 2)
        mask = torch.ones(kernel_size, kernel_size)
        middle = kernel_size // 2
        mask[middle, middle + (not first) :] = 0
        mask[middle + 1 :] = 0
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight * self.mask, self.bias, padding=self.padding)


class PlainNetwork(nn.Module):
    """Maps grey images (B, 1, H, W) to logits (B, 256, H, W) that depend on earlier pixels only."""

    def __init__(self, hidden_channels: int, blocks: int) -> None:
        super().__init__()
        self.first = MaskedConv(1, hidden_channels, 7, first=True)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.ReLU(),
                nn.Conv2d(hidden_channels, hidden_channels // 2 or 1, 1),
                nn.ReLU(),
                MaskedConv(hidden_channels // 2 or 1, hidden_channels, 3),
            )
            for _ in range(blocks)
        )
        self.head = nn.Sequential(
            nn.ReLU(),
            nn.Conv2d(hidden_channels, hidden_channels, 1),
            nn.ReLU(),
            nn.Conv2d(hidden_channels, 256, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        features = self.first(x)
        for block in self.blocks:
            features = features + block(features)
        result: Tensor = self.head(features)
        return result
