"""The terms of the variational bound of a diffusion model, each per image, in nats."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from models.base import Estimate
from models.logistic import BINS

__all__ = ["discretised_gaussian_log_mass", "prior_divergence", "stratified"]

# Standard normal probabilities below this are rounding; their logarithm stays finite and flat.
_LEAST_MASS = 1e-12


def prior_divergence(images: Tensor, last_signal: Tensor) -> Tensor:
    """Return KL(q(x_T|x_0) || N(0, I)), (B,), of images (B, C, H, W) in [-1, 1], given alpha_bar_T."""
    signal = last_signal.to(images)
    variance = 1 - signal
    return 0.5 * (variance + signal * images.square() - 1 - variance.log()).sum(dim=(1, 2, 3))


def discretised_gaussian_log_mass(bins: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Return the log-probability of bins 0 ... 255 under normals cut into them, elementwise, in nats.

    `mean` and `std` are in [-1, 1], where a bin is 1/128 wide; the first and last bin take the tails.

    References:
        Denoising diffusion probabilistic models (Ho et al., 2020), equation 13.
    """
    lower = bins.to(mean.dtype) * (2 / BINS) - 1
    upper_edge = torch.where(bins == BINS - 1, math.inf, lower + 2 / BINS)
    lower_edge = torch.where(bins == 0, -math.inf, lower)
    # The upper tail of a value above the mean is the lower tail of its mirror image, which keeps its digits.
    a, b = (upper_edge - mean) / std, (lower_edge - mean) / std
    above = b > 0
    a, b = torch.where(above, -b, a), torch.where(above, -a, b)
    mass: Tensor = torch.special.ndtr(a) - torch.special.ndtr(b)
    return mass.clamp_min(_LEAST_MASS).log()


def stratified(values: Tensor, sizes: Tensor) -> Estimate:
    """Return the estimate of a sum over timesteps and its standard error, both (B,).

    Args:
        values: of the drawn timesteps, (B, strata, draws), each drawn uniformly from its stratum.
        sizes: timesteps in each stratum, (strata,).

    With one draw per stratum there is nothing to learn the error from: it is None.
    """
    draws = values.shape[2]
    totals = values * sizes[:, None]
    estimate = totals.mean(dim=2).sum(dim=1)
    return Estimate(estimate, (totals.var(dim=2) / draws).sum(dim=1).sqrt() if draws > 1 else None)
