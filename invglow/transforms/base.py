"""The contract that every invertible transform obeys."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn

__all__ = ["ChannelAffine", "Transform", "check_channels"]


def check_channels(x: Tensor, channels: int) -> None:
    """Raise a ValueError unless `x` has shape (B, channels, H, W): broadcasting would hide the mistake."""
    if x.dim() != 4 or x.shape[1] != channels:
        raise ValueError(f"This transform takes images of shape (B, {channels}, H, W), got {tuple(x.shape)}.")


class Transform(nn.Module, ABC):
    """An invertible map between images. Direction: `forward` is always data -> latent.

    Log-determinants are natural logarithms (nats), one per image, with the sign of the direction
    that was called, so that `log p(x) = log p(z) + log_det` for `z, log_det = transform(x)`.
    """

    @abstractmethod
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map `x` of shape (B, C, H, W) to `z` and `log|det dz/dx|` of shape (B,)."""

    @abstractmethod
    def inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Map `z` back to `x` and `log|det dx/dz|` of shape (B,), minus that of `forward`."""


class ChannelAffine(Transform):
    """A transform that applies the same affine map `z = W x + b` to the channels at every pixel.

    Two such maps in a row are again one such map, which is what lets a flow step run its
    activation normalization and its 1x1 convolution as a single convolution.
    """

    @abstractmethod
    def matrix(self) -> Tensor:
        """Return W of shape (C, C)."""

    @abstractmethod
    def bias(self) -> Tensor | None:
        """Return b of shape (C,), or None where it is zero."""

    @abstractmethod
    def log_det_per_pixel(self) -> Tensor:
        """Return `log|det W|`, a scalar."""

    def log_det(self, x: Tensor) -> Tensor:
        """Return `log|det dz/dx|` of shape (B,) for an input of the shape of `x`."""
        pixels = x.shape[2] * x.shape[3]
        return (pixels * self.log_det_per_pixel()).expand(x.shape[0])
