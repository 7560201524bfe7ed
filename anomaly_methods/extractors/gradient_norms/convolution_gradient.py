"""The per-group gradient of a convolution's weight, plain, transposed or in groups of channels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from anomaly_methods.extractors.gradient_norms.outer_sum import Layout, OuterSum
from anomaly_methods.extractors.gradient_norms.per_group import DenseGradient, PerGroupGradient
from anomaly_methods.extractors.gradient_norms.scratch import Scratch
from anomaly_methods.extractors.gradient_norms.windows import POINT, Rows, Windows

__all__ = ["Convolution", "convolution_gradient"]

RowProducts = Callable[[Tensor], Tensor | None]


@dataclass(frozen=True)
class Convolution:
    """The settings of a convolution, per side.

    A transposed convolution with the same settings has the same weight gradient with the two sides swapped.
    """

    shape: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    dilation: tuple[int, ...]
    channel_groups: int

    @property
    def kernel(self) -> tuple[int, ...]:
        """Its sides."""
        return self.shape[2:]

    @property
    def has_sides(self) -> bool:
        """Whether there is more than one value under the kernel."""
        return max(self.kernel, default=1) > 1

    @cached_property
    def windows(self) -> Windows:
        """The values of the wide side that meet one of the narrow side."""
        return Windows(self.kernel, self.stride, self.padding, self.dilation)

    @cached_property
    def turned_windows(self) -> Windows | None:
        """The values of the narrow side that meet one of the wide side, with the kernel turned round."""
        reach = [d * (k - 1) for d, k in zip(self.dilation, self.kernel, strict=True)]
        padding = tuple((r - a, r - b) for r, (a, b) in zip(reach, self.padding, strict=True))
        if max(self.stride, default=1) > 1 or min(map(min, padding), default=0) < 0:
            return None
        return Windows(self.kernel, self.stride, padding, self.dilation)


def convolution_gradient(
    wide: Tensor,
    narrow: Tensor,
    convolution: Convolution,
    groups: int,
    scratch: Scratch,
    *,
    row_products: RowProducts | None = None,
) -> PerGroupGradient:
    """Correlate input and output gradient of a convolution.

    Windows are gathered of the side with fewer channels.

    Args:
        wide: where the kernel moves over: the input, or the output's gradient if transposed; (B, C, *sides).
        narrow: one value per position: the output's gradient, or the input if transposed; (B, N, *sides).
        convolution: settings.
        groups: of images.
        scratch: for what is used up before the next layer's gradient is asked for.
        row_products: as in `OuterSum`.
    """
    if convolution.channel_groups > 1:
        return _in_channel_groups(wide, narrow, convolution, groups, scratch)
    turned = convolution.turned_windows
    if turned is not None and narrow.shape[1] < wide.shape[1] and convolution.has_sides:
        sides, windows_on_rows = (turned, POINT), True
    else:
        sides, windows_on_rows = (POINT, convolution.windows), False
    counts = tuple((wide if windows_on_rows else narrow).shape[2:])
    left = Rows(narrow, sides[0], counts, groups, scratch)
    right = Rows(wide, sides[1], counts, groups, scratch)
    return OuterSum(left, right, Layout(convolution.shape, windows_on_rows), row_products)


def _in_channel_groups(
    wide: Tensor, narrow: Tensor, convolution: Convolution, groups: int, scratch: Scratch
) -> DenseGradient:
    """Form the gradient: the weights of such layers are small."""
    outputs, inputs, *kernel = convolution.shape
    parts, counts = convolution.channel_groups, tuple(narrow.shape[2:])
    left = Rows(narrow, POINT, counts, groups, scratch).all().unflatten(2, (parts, outputs // parts))
    right = Rows(wide, convolution.windows, counts, groups, scratch).all().unflatten(2, (-1, parts, inputs))
    gradient = torch.einsum("gpcn,gpkci->gcnik", left, right)
    return DenseGradient(gradient.reshape(groups, outputs, inputs, *kernel))
