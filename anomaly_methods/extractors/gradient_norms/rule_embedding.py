"""Embeddings: the rows that the images of a group picked collect the gradients of what was made of them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from anomaly_methods.extractors.gradient_norms.calls import Call
from anomaly_methods.extractors.gradient_norms.per_group import PerGroupGradient

__all__ = ["embedding"]

_ARGUMENTS = ("input", "weight", "padding_idx", "max_norm", "norm_type", "scale_grad_by_freq", "sparse")


def embedding(call: Call) -> Any:
    """Run an embedding and tap its output."""
    arguments = call.arguments(_ARGUMENTS)
    indices, weight = arguments["input"], arguments["weight"]
    plain = call.func is F.embedding and arguments.get("max_norm") is None
    if not plain or arguments.get("scale_grad_by_freq") or len(indices) % call.trace.images:
        return call.give_up("the embedding has settings, or an input, that no rule covers")
    result = call.trace.anchored(call.run_detached())
    use, trace, padding = call.trace.use(weight), call.trace, arguments.get("padding_idx")

    def receive(gradient: Tensor) -> None:
        trace.deliver(use, _PickedRows(indices, gradient, weight.shape, trace.groups, padding))

    if result.requires_grad:
        result.register_hook(receive)
    return result


class _PickedRows(PerGroupGradient):
    """The gradient of a table of which each group picked a few rows.

    Args:
        indices: what was picked, (B, ...).
        gradient: of what was made of it, (B, ..., D).
        shape: (V, D) of the table.
        groups: of images.
        padding: a row that has no gradient.
    """

    def __init__(
        self, indices: Tensor, gradient: Tensor, shape: torch.Size, groups: int, padding: int | None
    ) -> None:
        self._picked = indices.reshape(groups, -1)
        self._gradient = gradient.reshape(*self._picked.shape, shape[1])
        if padding is not None:
            is_padding = self._picked == padding % shape[0]
            self._gradient = self._gradient.masked_fill(is_padding[:, :, None], 0)
        self._shape = shape

    def full(self) -> Tensor:
        gradient = self._gradient.new_zeros(len(self._picked), *self._shape)
        index = self._picked[:, :, None].expand_as(self._gradient)
        return gradient.scatter_add_(1, index, self._gradient)

    def squared_norm(self, scale: Tensor | None = None) -> Tensor:
        if scale is not None:
            return super().squared_norm(scale)
        groups = len(self._picked)
        owner = torch.arange(groups, device=self._picked.device)[:, None]
        # One row for each pair of a group and an index that it picked, however large the table.
        pairs, place = torch.unique(self._picked + owner * self._shape[0], return_inverse=True)
        rows = self._gradient.new_zeros(len(pairs), self._shape[1])
        rows.index_add_(0, place.flatten(), self._gradient.flatten(0, 1))
        norms = rows.double().square().sum(dim=1)
        return norms.new_zeros(groups).index_add_(0, pairs // self._shape[0], norms)
