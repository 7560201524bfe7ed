"""The discretised logistic distribution of a pixel, as a density of dequantised values."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["BINS", "bin_centre", "bin_of", "logistic_log_density", "logistic_log_mass"]

BINS = 256


def bin_of(x: Tensor) -> Tensor:
    """Return the bin 0 ... 255 of values in [-1/2, 1/2), int64; values outside count to the nearest bin."""
    return ((x.detach() + 0.5) * BINS).floor().clamp(0, BINS - 1).long()


def bin_centre(bins: Tensor, dtype: torch.dtype) -> Tensor:
    """Return the middle of bins 0 ... 255, in [-1/2, 1/2)."""
    return (bins.to(dtype) + 0.5) / BINS - 0.5


def logistic_log_mass(bins: Tensor, mean: Tensor, log_scale: Tensor) -> Tensor:
    """Return the log-probability of bins under a logistic distribution cut into them, in nats.

    The first and the last bin take the tails, so that the 256 probabilities sum to one. With a and b the
    standardised upper and lower edge, sigmoid(a) - sigmoid(b) = sigmoid(a) sigmoid(-b) (1 - exp(b - a)),
    which loses no digits far from the mean.

    Args:
        bins: 0 ... 255, any shape.
        mean: in the units of images, [-1/2, 1/2], broadcastable to `bins`.
        log_scale: likewise.

    References:
        PixelCNN++ (Salimans et al., 2017), equation 2.
    """
    inverse_scale = (-log_scale).exp()
    lower = bins.to(mean.dtype) / BINS - 0.5
    a, b = (lower + 1 / BINS - mean) * inverse_scale, (lower - mean) * inverse_scale
    width = torch.log(-torch.expm1(-inverse_scale / BINS))
    below = torch.where(bins == BINS - 1, 0.0, F.logsigmoid(a))
    above = torch.where(bins == 0, 0.0, F.logsigmoid(-b))
    # With one edge at infinity there is no width to cut off.
    return below + above + torch.where((bins == 0) | (bins == BINS - 1), 0.0, width)


def logistic_log_density(x: Tensor, mean: Tensor, log_scale: Tensor) -> Tensor:
    """Return the log-density of values in [-1/2, 1/2) that is constant within each bin, in nats."""
    return logistic_log_mass(bin_of(x), mean, log_scale) + math.log(BINS)
