"""Coupling layers: one half of the channels moves the other."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor

from invglow.transforms.base import Transform
from invglow.transforms.network import Conditioner

__all__ = ["AdditiveCoupling", "AffineCoupling", "Coupling", "halves"]


def halves(x: Tensor) -> tuple[Tensor, Tensor]:
    """Split (B, C, H, W) into its first and its second half of channels."""
    if x.dim() != 4 or x.shape[1] % 2:
        raise ValueError(
            f"Halving needs (B, C, H, W) with an even number C of channels, got {tuple(x.shape)}."
        )
    first, second = x.chunk(2, dim=1)
    return first, second


class Coupling(Transform):
    """A coupling layer: `network` reads the first half of the channels and moves the second.

    Args:
        network: from (B, C/2, H, W) to (B, C/2 * outputs_per_channel, H, W).
    """

    outputs_per_channel: int

    def __init__(self, network: Conditioner) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        first, second = halves(x)
        moved, log_det = self.move(second, self._output(first))
        return torch.cat((first, moved), dim=1), log_det

    def inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        first, moved = halves(z)
        second, log_det = self.move_back(moved, self._output(first))
        return torch.cat((first, second), dim=1), log_det

    def _output(self, first: Tensor) -> Tensor:
        output: Tensor = self.network(first)
        expected = first.shape[1] * self.outputs_per_channel
        if output.shape[1] != expected:  # one channel would be broadcast over all without a word
            raise ValueError(
                f"The coupling's network must return {expected} channels, got {output.shape[1]}."
            )
        return output

    @staticmethod
    @abstractmethod
    def move(x: Tensor, output: Tensor) -> tuple[Tensor, Tensor]:
        """Map the second half by the network's output; return it and the log-determinant (B,)."""

    @staticmethod
    @abstractmethod
    def move_back(z: Tensor, output: Tensor) -> tuple[Tensor, Tensor]:
        """Undo `move` for the same network output."""


class AffineCoupling(Coupling):
    """`z2 = (x2 + shift) * sigmoid(raw + 2)`.

    The network's even output channels are the shift, its odd ones the raw scale.

    References:
        Glow (Kingma and Dhariwal, 2018), table 1; the sigmoid as in its published code;
        docs/architectures.md, equation 1.
    """

    outputs_per_channel = 2

    @staticmethod
    def move(x: Tensor, output: Tensor) -> tuple[Tensor, Tensor]:
        shift, scale = _shift_and_scale(output)
        # The logarithm of the scale that is used, and faster than logsigmoid or softplus.
        return (x + shift) * scale, scale.log().sum(dim=(1, 2, 3))

    @staticmethod
    def move_back(z: Tensor, output: Tensor) -> tuple[Tensor, Tensor]:
        shift, scale = _shift_and_scale(output)
        return z / scale - shift, -scale.log().sum(dim=(1, 2, 3))


class AdditiveCoupling(Coupling):
    """`z2 = x2 + shift`, where the shift is the network's output; the log-determinant is zero.

    References:
        NICE: Non-linear Independent Components Estimation (Dinh et al., 2015), 3.2;
        docs/architectures.md, equation 2.
    """

    outputs_per_channel = 1

    @staticmethod
    def move(x: Tensor, output: Tensor) -> tuple[Tensor, Tensor]:
        return x + output, x.new_zeros(x.shape[0])

    @staticmethod
    def move_back(z: Tensor, output: Tensor) -> tuple[Tensor, Tensor]:
        return z - output, z.new_zeros(z.shape[0])


def _shift_and_scale(output: Tensor) -> tuple[Tensor, Tensor]:
    # The smallest normal number is lost in any scale but one that underflows: there it keeps the map
    # invertible, and the logarithm and its gradient finite.
    return output[:, 0::2], torch.sigmoid(output[:, 1::2] + 2.0) + torch.finfo(output.dtype).tiny
