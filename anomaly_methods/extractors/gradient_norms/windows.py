"""Images as lists of positions, each with the values under the kernel."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["by_group", "positions", "windows"]


def positions(x: Tensor) -> Tensor:
    """Write (B, C, *sides) as (B, P, C), without a copy wherever the memory allows."""
    return x.flatten(2).transpose(1, 2)


def windows(
    x: Tensor,
    kernel: Sequence[int],
    *,
    counts: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[tuple[int, int]],
    dilation: Sequence[int],
) -> Tensor:
    """Gather the values under a moving kernel: (B, P, kernel * C), the channel running fastest.

    Args:
        x: (B, C, *sides).
        kernel: its sides.
        counts: positions along each side; P is their product.
        stride: of the positions.
        padding: zeros before and after, for each side.
        dilation: distance of the kernel's points.
    """
    if all(k == 1 and s == 1 for k, s in zip(kernel, stride, strict=True)) and not any(map(any, padding)):
        return positions(x)
    padded = F.pad(x, [zeros for side in reversed(padding) for zeros in side]).movedim(1, -1).contiguous()
    batch, *sides, channel = padded.stride()
    strides = [side * s for side, s in zip(sides, stride, strict=True)]
    points = [side * d for side, d in zip(sides, dilation, strict=True)]
    size, stride_of_row = (
        (x.shape[0], *counts, kernel[-1], x.shape[1]),
        (batch, *strides, points[-1], channel),
    )
    # Rows of the kernel are copied whole: gathering all its points in one copy is several times slower.
    rows = [
        padded.as_strided(size, stride_of_row, sum(i * p for i, p in zip(row, points, strict=False))).flatten(
            -2
        )
        for row in product(*(range(k) for k in kernel[:-1]))
    ]
    return torch.cat(rows, dim=-1).flatten(1, -2)


def by_group(rows: Tensor, groups: int) -> Tensor:
    """Put the positions of all images of a group into one list: (B, P, C) to (groups, B / groups * P, C)."""
    return rows.reshape(groups, -1, rows.shape[2]) if len(rows) != groups else rows
