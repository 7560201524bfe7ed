"""The convolutional network inside a coupling layer, with its normalization folded away."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from invglow.transforms.actnorm import ActNorm

__all__ = ["LOG_SCALE_FACTOR", "Conditioner", "CouplingNetwork", "scaled_convolution"]

LOG_SCALE_FACTOR = 3.0
# Size of a hidden layer that is evaluated at once without gradients, 8 MB in float32. Larger ones leave the
# cache, and the allocator returns their memory to the system each time: 64 images of 512 channels at 16x16
# took 49 ms whole and 32 ms in pieces of this size.
CACHED_NUMBERS = 2**21


class Conditioner(nn.Module, ABC):
    """What a coupling asks how to move one half of the channels, given the other."""

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, C', H, W)."""

    @abstractmethod
    def forward_unfolded(self, x: Tensor) -> Tensor:
        """Compute `forward` one operation at a time: the reference that tests compare with."""


class CouplingNetwork(Conditioner):
    """conv 3x3 -> ActNorm -> ReLU -> conv 1x1 -> ActNorm -> ReLU -> conv 3x3, times exp(3 log_scale).

    `forward` folds each ActNorm, and the output scale, into the weights and bias of the convolution
    before it: the same parameters and the same function in three convolutions and two ReLUs.
    `forward_unfolded` applies every operation on its own. The last convolution starts at zero, so
    that a fresh coupling hardly changes its input.

    Args:
        in_channels: channels read.
        hidden_channels: channels of the two hidden layers.
        out_channels: channels written.

    References:
        Glow (Kingma and Dhariwal, 2018), section 3.3 and its published code.
    """

    def __init__(self, in_channels: int, hidden_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(in_channels, hidden_channels, 3, padding=1, bias=False)
        self.norm_in = ActNorm(hidden_channels)
        self.conv_mid = nn.Conv2d(hidden_channels, hidden_channels, 1, bias=False)
        self.norm_mid = ActNorm(hidden_channels)
        self.conv_out = nn.Conv2d(hidden_channels, out_channels, 3, padding=1, bias=False)
        self.bias_out = nn.Parameter(torch.zeros(out_channels))
        self.log_scale = nn.Parameter(torch.zeros(out_channels))
        nn.init.normal_(self.conv_in.weight, std=0.05)
        nn.init.normal_(self.conv_mid.weight, std=0.05)
        nn.init.zeros_(self.conv_out.weight)

    def forward(self, x: Tensor) -> Tensor:
        if torch.is_grad_enabled() or x.device.type != "cpu":
            return self._forward_at_once(x)
        pieces = x.split(self._images_in_cache(x))
        outputs = [self._forward_at_once(piece) for piece in pieces]
        return outputs[0] if len(outputs) == 1 else torch.cat(outputs)

    def _images_in_cache(self, x: Tensor) -> int:
        """Return how many images to evaluate at a time so that the hidden layers stay in the CPU's cache."""
        hidden_size = self.conv_in.out_channels * x.shape[2] * x.shape[3]
        return max(1, CACHED_NUMBERS // hidden_size)

    def _forward_at_once(self, x: Tensor) -> Tensor:
        x = F.relu_(scaled_convolution(x, self.conv_in.weight, self.norm_in.scale(), self.norm_in.loc))
        x = F.relu_(scaled_convolution(x, self.conv_mid.weight, self.norm_mid.scale(), self.norm_mid.loc))
        return scaled_convolution(x, self.conv_out.weight, self.output_scale(), self.bias_out)

    def forward_unfolded(self, x: Tensor) -> Tensor:
        x = F.relu(self.norm_in(self.conv_in(x))[0])
        x = F.relu(self.norm_mid(self.conv_mid(x))[0])
        x = self.conv_out(x) + self.bias_out.view(1, -1, 1, 1)
        return x * self.output_scale().view(1, -1, 1, 1)

    def output_scale(self) -> Tensor:
        """Return the learned scales of the output channels, shape (out_channels,)."""
        return (LOG_SCALE_FACTOR * self.log_scale).exp()


def scaled_convolution(x: Tensor, weight: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Return scale * (conv(x) + shift) as one convolution that keeps the image size."""
    padding = weight.shape[-1] // 2
    return F.conv2d(x, weight * scale.view(-1, 1, 1, 1), scale * shift, padding=padding)
