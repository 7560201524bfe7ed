"""Memory for what is used up at once, the same for all layers and batches."""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["Scratch"]


class Scratch:
    """Blocks of memory that are handed out again and again.

    A fresh block of some megabytes costs more than what is computed in it: the system gives it page by page.
    What was handed out under a name is valid until the name is asked for again.
    """

    def __init__(self) -> None:
        self._blocks: dict[tuple[str, torch.dtype, torch.device], Tensor] = {}

    @property
    def addresses(self) -> set[int]:
        """Where the blocks are."""
        return {block.data_ptr() for block in self._blocks.values()}

    def empty(self, name: str, like: Tensor, *shape: int) -> Tensor:
        """Return a tensor of a shape, with the type and device of another, whose values are left over."""
        key, numbers = (name, like.dtype, like.device), math.prod(shape)
        block = self._blocks.get(key)
        if block is None or block.numel() < numbers:
            block = self._blocks[key] = like.new_empty(numbers)
        return block[:numbers].view(shape)
