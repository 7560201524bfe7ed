"""Images as lists of positions, each with the values under the kernel."""

from __future__ import annotations

from functools import lru_cache
from itertools import product
from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["Windows", "by_group", "positions"]


def positions(x: Tensor) -> Tensor:
    """Write (B, C, *sides) as (B, P, C), without a copy wherever the memory allows."""
    return x.flatten(2).transpose(1, 2)


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

    def of(self, x: Tensor, counts: tuple[int, ...]) -> Tensor:
        """Gather the values under the kernel: (B, P, kernel * C), the channel running fastest.

        Args:
            x: (B, C, *sides).
            counts: positions along each side; P is their product.
        """
        if self._is_point:
            return positions(x)
        padded = self._padded(x)
        size, strides, offsets = _geometry(self, tuple(padded.shape), counts)
        # Rows of the kernel are copied whole: gathering all its points in one copy is several times slower.
        rows = [padded.as_strided(size, strides, offset).flatten(-2) for offset in offsets]
        return torch.cat(rows, dim=-1).flatten(1, -2)

    @property
    def _is_point(self) -> bool:
        return all(size == 1 for size in (*self.kernel, *self.stride)) and not any(map(any, self.padding))

    def _padded(self, x: Tensor) -> Tensor:
        """Return images (B, *padded sides, C)."""
        x = x.movedim(1, -1)
        if not any(map(any, self.padding)):
            return x.contiguous()
        sides = zip(self.padding, x.shape[1:-1], strict=True)
        padded = x.new_zeros(x.shape[0], *(a + side + b for (a, b), side in sides), x.shape[-1])
        inside = tuple(slice(a, a + side) for (a, _), side in zip(self.padding, x.shape[1:-1], strict=True))
        padded[(slice(None), *inside)] = x
        return padded


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


def by_group(rows: Tensor, groups: int) -> Tensor:
    """Put the positions of all images of a group into one list: (B, P, C) to (groups, B / groups * P, C)."""
    return rows.reshape(groups, -1, rows.shape[2]) if len(rows) != groups else rows
