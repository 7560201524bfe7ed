"""The network of PixelCNN++: streams of the rows above and of the pixels to the left, in three sizes."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.pixelcnn.blocks import GatedBlock
from models.pixelcnn.shifted import (
    DownRightShiftedConv,
    DownRightShiftedUpsampling,
    DownShiftedConv,
    DownShiftedUpsampling,
    shifted_down,
    shifted_right,
)

__all__ = ["PlusPlusNetwork"]

_RESOLUTIONS = 3
Features = tuple[Tensor, Tensor]


class PlusPlusNetwork(nn.Module):
    """Maps images (B, C, H, W) to parameters (B, outputs, H, W) that depend on earlier pixels only.

    Args:
        image_channels: C.
        hidden_channels: of both streams.
        blocks: pairs of residual blocks at each resolution, down and up again.
        outputs: parameters of each pixel.
    """

    def __init__(self, image_channels: int, hidden_channels: int, blocks: int, outputs: int) -> None:
        super().__init__()
        hidden = hidden_channels
        inputs = image_channels + 1  # a channel of ones tells pixels from the padding
        self.above = DownShiftedConv(inputs, hidden, (2, 3))
        self.row = DownShiftedConv(inputs, hidden, (1, 3))
        self.left = DownRightShiftedConv(inputs, hidden, (2, 1))
        self.down = nn.ModuleList(_Level(blocks, hidden) for _ in range(_RESOLUTIONS))
        # On the way up one pair more meets the features that were there before its resolution was left.
        self.up = nn.ModuleList(
            _Level(blocks + (level > 0), hidden, with_skip=True) for level in range(_RESOLUTIONS)
        )
        self.halving = nn.ModuleList(_Halving(hidden) for _ in range(_RESOLUTIONS - 1))
        self.doubling = nn.ModuleList(_Doubling(hidden) for _ in range(_RESOLUTIONS - 1))
        self.head = nn.Conv2d(hidden, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        skips = [self._start(torch.cat((x, torch.ones_like(x[:, :1])), dim=1))]
        for level, pairs in enumerate(self.down):
            if level > 0:
                skips.append(self.halving[level - 1](*skips[-1]))
            pairs(skips[-1], skips)
        features = skips.pop()
        for level, pairs in enumerate(self.up):
            if level > 0:
                features = self.doubling[level - 1](*features)
            features = pairs(features, skips)
        result: Tensor = self.head(F.elu(features[1]))
        return result

    def _start(self, x: Tensor) -> Features:
        above = shifted_down(self.above(x))
        return above, shifted_down(self.row(x)) + shifted_right(self.left(x))


class _Pair(nn.Module):
    """One block of each stream; the second stream, which sees more, takes in the first."""

    def __init__(self, channels: int, with_skip: bool = False) -> None:
        super().__init__()
        skip = channels if with_skip else 0
        self.above = GatedBlock(DownShiftedConv, channels, skip)
        self.left = GatedBlock(DownRightShiftedConv, channels, channels + skip)

    def forward(self, above: Tensor, left: Tensor, skip: Features | None = None) -> Features:
        if skip is None:
            above = self.above(above)
            return above, self.left(left, above)
        above = self.above(above, skip[0])
        return above, self.left(left, torch.cat((above, skip[1]), dim=1))


class _Level(nn.Module):
    """The pairs of one resolution: down they put features on a stack, up they take them."""

    def __init__(self, blocks: int, channels: int, with_skip: bool = False) -> None:
        super().__init__()
        self.with_skip = with_skip
        self.pairs = nn.ModuleList(_Pair(channels, with_skip) for _ in range(blocks))

    def forward(self, features: Features, stack: list[Features]) -> Features:
        for pair in self.pairs:
            if self.with_skip:
                features = pair(*features, stack.pop())
            else:
                features = pair(*features)
                stack.append(features)
        return features


class _Streams(nn.Module):
    """The same change of resolution in both streams."""

    def __init__(self, above: Callable[[], nn.Module], left: Callable[[], nn.Module]) -> None:
        super().__init__()
        self.above, self.left = above(), left()

    def forward(self, above: Tensor, left: Tensor) -> Features:
        return self.above(above), self.left(left)


class _Halving(_Streams):
    def __init__(self, channels: int) -> None:
        super().__init__(
            lambda: DownShiftedConv(channels, channels, stride=2),
            lambda: DownRightShiftedConv(channels, channels, stride=2),
        )


class _Doubling(_Streams):
    def __init__(self, channels: int) -> None:
        super().__init__(
            lambda: DownShiftedUpsampling(channels), lambda: DownRightShiftedUpsampling(channels)
        )
