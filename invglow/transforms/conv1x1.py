"""Invertible 1x1 convolutions: LU-parameterised, plain, and a fixed random rotation."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from invglow.transforms.base import ChannelAffine, check_channels

__all__ = ["FixedRotation", "LUConv1x1", "PlainConv1x1", "random_rotation"]


def random_rotation(channels: int) -> Tensor:
    """Return a random orthogonal matrix of shape (C, C), computed in float64."""
    gaussian = torch.randn(channels, channels, dtype=torch.float64)
    orthogonal: Tensor = torch.linalg.qr(gaussian)[0]
    return orthogonal


class _MatrixConv1x1(ChannelAffine):
    """What all 1x1 convolutions share: multiply the channels by W, without a bias."""

    def bias(self) -> None:
        return None

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        matrix = self.matrix()
        check_channels(x, len(matrix))
        return F.conv2d(x, matrix[:, :, None, None]), self.log_det(x)

    def inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        matrix = self.matrix()
        check_channels(z, len(matrix))
        # W is small but may be ill-conditioned after training: invert it in float64.
        inverse = torch.linalg.inv(matrix.double()).to(z.dtype)
        return F.conv2d(z, inverse[:, :, None, None]), -self.log_det(z)


class PlainConv1x1(_MatrixConv1x1):
    """1x1 convolution with a free weight matrix; its log-determinant costs O(C^3).

    References:
        Glow (Kingma and Dhariwal, 2018), equation 9; docs/architectures.md, equation 3.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(random_rotation(channels).to(torch.get_default_dtype()))

    def matrix(self) -> Tensor:
        return self.weight

    def log_det_per_pixel(self) -> Tensor:
        return _log_abs_det(self.weight)


class FixedRotation(_MatrixConv1x1):
    """1x1 convolution with a random rotation that is drawn once and never trained."""

    weight: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("weight", random_rotation(channels).to(torch.get_default_dtype()))

    def matrix(self) -> Tensor:
        return self.weight

    def log_det_per_pixel(self) -> Tensor:
        return _log_abs_det(self.weight)


class LUConv1x1(_MatrixConv1x1):
    """1x1 convolution with weight `W = P (L + I) (U + diag(sign * exp(log_diagonal)))`.

    P is a fixed permutation, L and U are strictly triangular, so that the log-determinant is the
    sum of `log_diagonal`. W starts as a random rotation.

    References:
        Glow (Kingma and Dhariwal, 2018), equations 10 and 11; docs/architectures.md, equation 3.
    """

    permutation: Tensor
    sign: Tensor
    identity: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        permutation, lower, upper = torch.linalg.lu(random_rotation(channels))
        diagonal = upper.diagonal()
        dtype = torch.get_default_dtype()
        self.register_buffer("permutation", permutation.to(dtype))
        self.register_buffer("sign", diagonal.sign().to(dtype))
        self.register_buffer("identity", torch.eye(channels, dtype=dtype), persistent=False)
        self.lower = nn.Parameter(lower.tril(-1).to(dtype))
        self.upper = nn.Parameter(upper.triu(1).to(dtype))
        self.log_diagonal = nn.Parameter(diagonal.abs().log().to(dtype))

    def matrix(self) -> Tensor:
        lower = self.lower.tril(-1) + self.identity
        upper = self.upper.triu(1) + torch.diag(self.sign * self.log_diagonal.exp())
        return self.permutation @ lower @ upper

    def log_det_per_pixel(self) -> Tensor:
        return self.log_diagonal.sum()


def _log_abs_det(matrix: Tensor) -> Tensor:
    log_abs_det: Tensor = torch.linalg.slogdet(matrix)[1]
    return log_abs_det
