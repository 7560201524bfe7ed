"""Channel permutations: a random shuffle that is fixed once, and the identity."""

from __future__ import annotations

import torch
from torch import Tensor

from invglow.transforms.base import ChannelAffine, check_channels

__all__ = ["ChannelPermutation", "identity_permutation", "random_permutation"]


def identity_permutation(channels: int) -> Tensor:
    """Return the indices 0 ... C-1."""
    return torch.arange(channels)


def random_permutation(channels: int) -> Tensor:
    """Return the indices 0 ... C-1 in a random order."""
    return torch.randperm(channels)


class ChannelPermutation(ChannelAffine):
    """Reorder the channels: `z[:, i] = x[:, indices[i]]`; the log-determinant is zero.

    Args:
        indices: a permutation of 0 ... C-1, shape (C,).

    Raises:
        ValueError: if `indices` is not a permutation.

    References:
        docs/architectures.md, equation 3.
    """

    indices: Tensor

    def __init__(self, indices: Tensor) -> None:
        super().__init__()
        if not torch.equal(indices.sort().values, torch.arange(len(indices), device=indices.device)):
            raise ValueError(f"indices must be a permutation of 0 ... C-1, got {indices.tolist()}.")
        self.register_buffer("indices", indices)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        check_channels(x, len(self.indices))
        return x[:, self.indices], x.new_zeros(x.shape[0])

    def inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        check_channels(z, len(self.indices))
        return z[:, self.indices.argsort()], z.new_zeros(z.shape[0])

    def matrix(self) -> Tensor:
        identity = torch.eye(len(self.indices), device=self.indices.device)
        return identity[self.indices]

    def bias(self) -> None:
        return None

    def log_det_per_pixel(self) -> Tensor:
        return torch.zeros((), device=self.indices.device)
