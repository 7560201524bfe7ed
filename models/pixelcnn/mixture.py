"""Mixtures of discretised logistics for whole pixels, the channels of a colour pixel one after the other."""

from __future__ import annotations

import torch
from torch import Tensor

from invglow.flows.drawing import open_uniform
from models.logistic import BINS, bin_centre, logistic_log_mass

__all__ = ["mixture_log_mass", "mixture_outputs", "mixture_sample"]

# Beyond these a log-scale says nothing about 8-bit images; a fresh network starts at about natural contrasts.
_LOG_SCALES = (-9.0, 2.0)
_FIRST_LOG_SCALE = -2.5


def mixture_outputs(channels: int, mixtures: int) -> int:
    """Return how many numbers describe the mixture of one pixel of 1 or 3 channels."""
    return mixtures * (1 + 2 * channels + channels * (channels - 1) // 2)


def mixture_log_mass(bins: Tensor, parameters: Tensor) -> Tensor:
    """Return the log-probability of every pixel, (B, H, W), in nats.

    A later channel's mean moves linearly with the channels before it, so that the channels of a pixel are one
    joint distribution.

    Args:
        bins: (B, C, H, W), 0 ... 255, C of 1 or 3.
        parameters: (B, outputs, H, W), as `mixture_outputs` counts them.

    References:
        PixelCNN++ (Salimans et al., 2017), equations 1 to 3.
    """
    channels = bins.shape[1]
    logits, means, log_scales, slopes = _taken_apart(parameters, channels)
    means = _moved(means, slopes, bin_centre(bins, parameters.dtype))
    mass = logistic_log_mass(bins[:, None], means, log_scales).sum(dim=2)
    return torch.logsumexp(logits.log_softmax(dim=1) + mass, dim=1)


@torch.no_grad()
def mixture_sample(
    parameters: Tensor, channels: int, generator: torch.Generator | None, temperature: float
) -> Tensor:
    """Draw bins (B, C) of one pixel from its parameters (B, outputs).

    `temperature` multiplies the scales of the logistics.
    """
    logits, means, log_scales, slopes = _taken_apart(parameters[:, :, None, None], channels)
    chosen = _categorical(logits[:, :, 0, 0], generator)
    rows = torch.arange(len(parameters), device=parameters.device)
    means, log_scales, slopes = (part[rows, chosen, :, 0, 0] for part in (means, log_scales, slopes))
    uniform = open_uniform((len(parameters), channels), parameters, generator)
    noise = temperature * log_scales.exp() * uniform.logit()
    bins: list[Tensor] = []
    for channel in range(channels):
        before = [bin_centre(earlier, parameters.dtype) for earlier in bins]
        mean = means[:, channel] + sum(
            slopes[:, place] * value
            for place, value in zip(range(channel * (channel - 1) // 2, 3), before, strict=False)
        )
        bins.append((((mean + noise[:, channel]) + 0.5) * BINS).floor().clamp(0, BINS - 1).long())
    return torch.stack(bins, dim=1)


def _taken_apart(parameters: Tensor, channels: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return logits (B, K, H, W), means and log-scales (B, K, C, H, W), and slopes (B, K, 0 or 3, H, W)."""
    per_mixture = 1 + 2 * channels + channels * (channels - 1) // 2
    parts = parameters.unflatten(1, (-1, per_mixture))
    logits, means, log_scales, slopes = parts.split(
        (1, channels, channels, per_mixture - 1 - 2 * channels), dim=2
    )
    log_scales = (log_scales + _FIRST_LOG_SCALE).clamp(*_LOG_SCALES)
    return logits[:, :, 0], means, log_scales, slopes.tanh()


def _moved(means: Tensor, slopes: Tensor, centres: Tensor) -> Tensor:
    """Move the means (B, K, C, H, W) of green and blue by slopes times the channels before them."""
    if means.shape[2] == 1:
        return means
    red, green = centres[:, None, 0], centres[:, None, 1]
    moved = (
        means[:, :, 0],
        means[:, :, 1] + slopes[:, :, 0] * red,
        means[:, :, 2] + slopes[:, :, 1] * red + slopes[:, :, 2] * green,
    )
    return torch.stack(torch.broadcast_tensors(*moved), dim=2)


def _categorical(logits: Tensor, generator: torch.Generator | None) -> Tensor:
    """Draw from softmax(logits) by adding Gumbel noise."""
    uniform = open_uniform(logits.shape, logits, generator)
    return (logits - (-uniform.log()).log()).argmax(dim=1)
