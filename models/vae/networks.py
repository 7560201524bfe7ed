"""Encoder and decoder of the VAE: convolutions without anything that couples the images of a batch."""

from __future__ import annotations

from torch import Tensor, nn

from models.vae.config import VAEConfig

__all__ = ["Decoder", "Encoder"]

_GROUPS = 8


class Encoder(nn.Module):
    """Maps images (B, C, H, W) to mean and log standard deviation of their codes, both (B, latent)."""

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        channels, height, width = config.image_shape
        hidden = config.hidden_channels
        self.body = nn.Sequential(
            nn.Conv2d(channels, hidden, 3, padding=1),
            _halve(hidden, hidden),
            _halve(hidden, 2 * hidden),
            _halve(2 * hidden, 4 * hidden),
            nn.Flatten(),
        )
        features = 4 * hidden * (height // 8) * (width // 8)
        self.head = nn.Linear(features, 2 * config.latent_dimensions)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_std = self.head(self.body(x)).chunk(2, dim=1)
        return mean, log_std


class Decoder(nn.Module):
    """Maps codes (B, latent) to location and log-scale of each pixel, both (B, C, H, W)."""

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        channels, height, width = config.image_shape
        hidden = config.hidden_channels
        shape = (4 * hidden, height // 8, width // 8)
        self.body = nn.Sequential(
            nn.Linear(config.latent_dimensions, shape[0] * shape[1] * shape[2]),
            nn.Unflatten(1, shape),
            _double(4 * hidden, 2 * hidden),
            _double(2 * hidden, hidden),
            _double(hidden, hidden),
            nn.Conv2d(hidden, 2 * channels, 3, padding=1),
        )

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_scale = self.body(z).chunk(2, dim=1)
        return mean, log_scale


def _halve(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(_normalised(inputs), nn.Conv2d(inputs, outputs, 4, stride=2, padding=1))


def _double(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(_normalised(inputs), nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1))


def _normalised(channels: int) -> nn.Sequential:
    """Group normalisation works on one image at a time, as a density needs; batch normalisation does not."""
    groups = _GROUPS if channels % _GROUPS == 0 else 1
    return nn.Sequential(nn.GroupNorm(groups, channels), nn.SiLU())
