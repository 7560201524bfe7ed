"""One step of flow: ActNorm, a channel mixing, and a coupling, with the first two in one convolution."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from invglow.transforms.actnorm import ActNorm
from invglow.transforms.base import ChannelAffine, Transform, check_channels
from invglow.transforms.coupling import Coupling, halves

__all__ = ["FlowStep"]


class FlowStep(Transform):
    """ActNorm, then `mixing` (1x1 convolution or permutation), then `coupling`.

    `forward` folds ActNorm and mixing into one convolution with a bias, `W (s * (x + loc))` =
    `(W diag(s)) x + W (s * loc)`; `forward_unfolded` applies every operation on its own.

    References:
        Glow (Kingma and Dhariwal, 2018), figure 2a.
    """

    def __init__(self, actnorm: ActNorm, mixing: ChannelAffine, coupling: Coupling) -> None:
        super().__init__()
        self.actnorm = actnorm
        self.mixing = mixing
        self.coupling = coupling

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        check_channels(x, len(self.actnorm.loc))
        weight, bias = self.folded_affine()
        z = F.conv2d(x, weight[:, :, None, None], bias)
        z, log_det = self.coupling(z)
        return z, log_det + self.actnorm.log_det(x) + self.mixing.log_det(x)

    def forward_unfolded(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Compute `forward` one operation at a time: the reference that tests compare with."""
        z, log_det_actnorm = self.actnorm(x)
        z, log_det_mixing = self.mixing(z)
        first, second = halves(z)
        moved, log_det_coupling = self.coupling.move(second, self.coupling.network.forward_unfolded(first))
        return torch.cat((first, moved), dim=1), log_det_actnorm + log_det_mixing + log_det_coupling

    def inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        x, log_det_coupling = self.coupling.inverse(z)
        x, log_det_mixing = self.mixing.inverse(x)
        x, log_det_actnorm = self.actnorm.inverse(x)
        return x, log_det_coupling + log_det_mixing + log_det_actnorm

    def folded_affine(self) -> tuple[Tensor, Tensor]:
        """Return W of shape (C, C) and b of shape (C,) of ActNorm and mixing together."""
        matrix = self.mixing.matrix().to(self.actnorm.loc.dtype)  # a permutation has no dtype of its own
        bias = matrix @ self.actnorm.bias()
        mixing_bias = self.mixing.bias()
        return matrix * self.actnorm.scale(), bias if mixing_bias is None else bias + mixing_bias
