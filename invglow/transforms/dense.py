"""Steps on whole feature vectors, (B, D, 1, 1): a rotation of all features and a fully connected coupling."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from invglow.transforms.base import ChannelAffine, check_channels
from invglow.transforms.conv1x1 import random_rotation
from invglow.transforms.network import Conditioner
from invglow.transforms.step import FlowStep

__all__ = ["DenseNetwork", "DenseRotation", "DenseStep", "mixed_rotation"]

# Each refinement of an inverse divides its error by the distance of the weight from a rotation, about 1e6
# where entries are rounded to single precision: this many are enough in double precision.
REFINEMENTS = 3


def mixed_rotation(features: int) -> Tensor:
    """Return a random rotation (D, D), float64, through which every output sees every input.

    With the D = a * b features on a grid, the rows of the grid are rotated by one random matrix each, then
    its columns. It is not distributed uniformly over all rotations: that takes a QR decomposition, which for
    3072 features took 17 s on one core, against 0.2 s.
    """
    rows = max(divisor for divisor in range(1, math.isqrt(features) + 1) if features % divisor == 0)
    columns = features // rows
    within = torch.stack([random_rotation(columns) for _ in range(rows)])
    across = torch.stack([random_rotation(rows) for _ in range(columns)])
    return torch.einsum("qpi,iqj->pqij", across, within).reshape(features, features)


class DenseRotation(ChannelAffine):
    """Multiply D features by a fixed rotation.

    Beside the weight (D, D) it keeps `log|det|`, which is zero but for the rounding of the weight, so that no
    decomposition is needed; the inverse is found from the transpose.

    References:
        Schirrmeister et al. (2020), appendix, the fully connected Glow.
    """

    weight: Tensor
    log_abs_det: Tensor

    def __init__(self, features: int) -> None:
        super().__init__()
        weight = mixed_rotation(features).to(torch.get_default_dtype())
        self.register_buffer("weight", weight)
        self.register_buffer("log_abs_det", log_abs_det_near_rotation(weight))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return _multiplied(x, self.weight), self.log_det(x)

    def inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        x = _multiplied(z, self.weight.T)
        for _ in range(REFINEMENTS):
            x = x + _multiplied(z - _multiplied(x, self.weight), self.weight.T)
        return x, -self.log_det(z)

    def matrix(self) -> Tensor:
        return self.weight

    def bias(self) -> None:
        return None

    def log_det_per_pixel(self) -> Tensor:
        return self.log_abs_det


def log_abs_det_near_rotation(weight: Tensor) -> Tensor:
    """Return `log|det W|` of a matrix that is a rotation but for rounding, in O(D^2).

    With E = W^T W - I it is `1/2 log det(I + E) = 1/2 trace E`, up to the square of the rounding.
    """
    log_abs_det = (weight.double().square().sum() - len(weight)) / 2
    return log_abs_det.to(weight.dtype)


def _multiplied(x: Tensor, weight: Tensor) -> Tensor:
    check_channels(x, len(weight))
    features = x.permute(0, 2, 3, 1)
    return F.linear(features, weight).permute(0, 3, 1, 2)


class DenseNetwork(Conditioner):
    """linear -> ReLU -> linear -> ReLU -> linear, on feature vectors (B, D, 1, 1).

    The last layer starts at zero, so that a fresh coupling hardly changes its input.

    Args:
        in_features: features read.
        hidden_features: features of the two hidden layers.
        out_features: features written.

    References:
        Schirrmeister et al. (2020), appendix, the fully connected Glow.
    """

    def __init__(self, in_features: int, hidden_features: int, out_features: int) -> None:
        super().__init__()
        self.linear_in = nn.Linear(in_features, hidden_features)
        self.linear_mid = nn.Linear(hidden_features, hidden_features)
        self.linear_out = nn.Linear(hidden_features, out_features)
        nn.init.zeros_(self.linear_out.weight)
        nn.init.zeros_(self.linear_out.bias)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu_(self.linear_in(x.flatten(1)))
        x = F.relu_(self.linear_mid(x))
        output: Tensor = self.linear_out(x)
        return output[:, :, None, None]

    def forward_unfolded(self, x: Tensor) -> Tensor:
        return self.forward(x)  # there is nothing to fold


class DenseStep(FlowStep):
    """A flow step on feature vectors: ActNorm and mixing are not folded.

    Folding costs as much as multiplying D images by the matrix; for convolutions, images of many pixels share
    that cost.
    """

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.forward_unfolded(x)
