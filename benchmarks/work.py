"""How much arithmetic a Glow needs, counted from its settings."""

from __future__ import annotations

from invglow.flows import GlowConfig

__all__ = ["FORWARD_AND_BACKWARD", "flop_per_image"]

# The backward pass computes two products of the size of the forward one: for the weights, for the input.
FORWARD_AND_BACKWARD = 3


def flop_per_image(config: GlowConfig) -> float:
    """Return the floating-point operations of one image's log p(x), of its convolutions alone.

    An affine coupling is assumed. What is not counted (activations, couplings, priors) makes a rate that is
    computed from this number a lower bound.
    """
    channels, height, width = config.image_shape
    total = 0.0
    for _ in range(config.scales):
        channels, height, width = 4 * channels, height // 2, width // 2
        total += config.steps_per_scale * 2.0 * height * width * _weights_per_step(config, channels)
        channels //= 2
    return total


def _weights_per_step(config: GlowConfig, channels: int) -> int:
    hidden = config.hidden_channels
    mixing = channels * channels
    return mixing + 9 * (channels // 2) * hidden + hidden * hidden + 9 * hidden * channels
