"""Images as lists of positions, each with the values under the kernel."""

from __future__ import annotations

import math
from functools import lru_cache
from itertools import product
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from anomaly_methods.extractors.gradient_norms.scratch import Scratch

__all__ = ["POINT", "Rows", "Windows"]


class Windows(NamedTuple):
    """A kernel that moves over images.

    Args:
        kernel: its sides.
        stride: of the positions.
        padding: zeros before and after, for each side.
        dilation: distance of the kernel's points.
    """

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    dilation: tuple[int, ...]

    def of(self, x: Tensor, counts: tuple[int, ...], scratch: Scratch) -> Tensor:
        """Gather the values under the kernel: (B, P, kernel * C), the channel running fastest.

        Args:
            x: (B, C, *sides).
            counts: positions along each side; P is their product.
            scratch: holds what is gathered, until the next time.
        """
        if self._is_point:
            return x.flatten(2).transpose(1, 2)  # without a copy wherever the memory allows
        padded = self._padded(x)
        size, strides, offsets = _geometry(self, tuple(padded.shape), counts)
        # Rows of the kernel are copied whole: gathering all its points in one copy is several times slower.
        rows = [padded.as_strided(size, strides, offset).flatten(-2) for offset in offsets]
        gathered = scratch.empty("windows", x, len(x), *counts, len(rows) * rows[0].shape[-1])
        return torch.cat(rows, dim=-1, out=gathered).flatten(1, -2)

    @property
    def _is_point(self) -> bool:
        return all(size == 1 for size in (*self.kernel, *self.stride)) and not any(map(any, self.padding))

    def _padded(self, x: Tensor) -> Tensor:
        """Return images (B, *padded sides, C)."""
        x = x.movedim(1, -1)
        if not any(map(any, self.padding)):
            return x.contiguous()
        amounts = [amount for side in reversed(self.padding) for amount in side]
        return F.pad(x, [0, 0, *amounts]).contiguous()


@lru_cache(maxsize=1024)
def _geometry(
    windows: Windows, shape: tuple[int, ...], counts: tuple[int, ...]
) -> tuple[tuple[int, ...], tuple[int, ...], list[int]]:
    """Return size, strides and offsets of views of padded images (B, *sides, C), for rows of the kernel."""
    batch, *sides, channels = shape
    steps = [channels]
    for side in reversed(sides):
        steps.insert(0, steps[0] * side)
    moves = [step * stride for step, stride in zip(steps[1:], windows.stride, strict=True)]
    points = [step * apart for step, apart in zip(steps[1:], windows.dilation, strict=True)]
    size = (batch, *counts, windows.kernel[-1], channels)
    offsets = [
        sum(i * point for i, point in zip(row, points, strict=False))
        for row in product(*map(range, windows.kernel[:-1]))
    ]
    return size, (steps[0], *moves, points[-1], 1), offsets


POINT = Windows((), (), (), ())
"""The kernel of which every position has its own value."""


class Rows(NamedTuple):
    """Positions of images, each with the values under the kernel, which are gathered when they are asked for.

    Args:
        x: images (B, C, *sides), the images of a group one after the other.
        windows: the kernel.
        counts: positions along each side.
        groups: of images.
        scratch: holds the rows that were asked for last, of all that share it.
        factors: of the channels, (C,).
    """

    x: Tensor
    windows: Windows
    counts: tuple[int, ...]
    groups: int
    scratch: Scratch
    factors: Tensor | None = None

    @property
    def positions(self) -> int:
        """How many there are in a group."""
        return len(self.x) // self.groups * math.prod(self.counts)

    @property
    def width(self) -> int:
        """How many values each has."""
        return self.x.shape[1] * math.prod(self.windows.kernel)

    def of(self, first: int, last: int) -> Tensor:
        """Return the rows of some groups, (last - first, positions, width)."""
        images = len(self.x) // self.groups
        x = self.x[first * images : last * images]
        if self.factors is not None:
            x = x * self.factors.reshape(-1, *(1 for _ in x.shape[2:]))
        rows = self.windows.of(x, self.counts, self.scratch)
        return rows.reshape(last - first, -1, rows.shape[2]) if images > 1 else rows

    def all(self) -> Tensor:
        """Return the rows of all groups, (groups, positions, width)."""
        return self.of(0, self.groups)
