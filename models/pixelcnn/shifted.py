"""Convolutions that see only pixels that come earlier in raster order."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

__all__ = [
    "DownRightShiftedConv",
    "DownRightShiftedUpsampling",
    "DownShiftedConv",
    "DownShiftedUpsampling",
    "shifted_down",
    "shifted_right",
]


class DownShiftedConv(nn.Module):
    """Convolution over this row and those above, as wide to the left as to the right."""

    def __init__(self, inputs: int, outputs: int, kernel: tuple[int, int] = (2, 3), stride: int = 1) -> None:
        super().__init__()
        self.side, self.above = (kernel[1] - 1) // 2, kernel[0] - 1
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.conv(F.pad(x, (self.side, self.side, self.above, 0)))
        return result


class DownRightShiftedConv(nn.Module):
    """Convolution over this row and those above, this column and those to the left."""

    def __init__(self, inputs: int, outputs: int, kernel: tuple[int, int] = (2, 2), stride: int = 1) -> None:
        super().__init__()
        self.left, self.above = kernel[1] - 1, kernel[0] - 1
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.conv(F.pad(x, (self.left, 0, self.above, 0)))
        return result


class DownShiftedUpsampling(nn.Module):
    """Doubles the resolution; every pixel sees its own row and those above."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.ConvTranspose2d(channels, channels, (2, 3), stride=2, output_padding=(0, 1))

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        result: Tensor = self.conv(x)
        return result[:, :, : 2 * height, 1 : 2 * width + 1]


class DownRightShiftedUpsampling(nn.Module):
    """Doubles the resolution; every pixel sees no row below and no column to the right."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.ConvTranspose2d(channels, channels, (2, 2), stride=2)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.conv(x)
        return result


def shifted_down(x: Tensor) -> Tensor:
    """Move every row of (B, C, H, W) down by one; the first becomes zero."""
    return F.pad(x, (0, 0, 1, 0))[:, :, :-1]


def shifted_right(x: Tensor) -> Tensor:
    """Move every column of (B, C, H, W) to the right by one; the first becomes zero."""
    return F.pad(x, (1, 0, 0, 0))[:, :, :, :-1]
