"""The density of a latent: an elementwise affine map, then a standard normal."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

__all__ = ["ElementwiseNormal"]


class ElementwiseNormal(nn.Module):
    """Independent normals, one per element: `exp(log_scale) * (latent + loc)` is standard normal.

    Args:
        shape: shape (C, H, W) of one latent.
    """

    def __init__(self, shape: Sequence[int]) -> None:
        super().__init__()
        self.loc = nn.Parameter(torch.zeros(*shape))
        self.log_scale = nn.Parameter(torch.zeros(*shape))

    @torch.no_grad()
    def fit(self, latent: Tensor, minimal_std: float = 1e-6) -> None:
        """Set loc and log_scale so that the batch (B, C, H, W) is standardised element by element.

        Elements whose standard deviation is less than `minimal_std` are taken as constant: only shifted.
        """
        std, mean = torch.std_mean(latent, dim=0, correction=0)
        self.loc.copy_(-mean)
        self.log_scale.copy_(-std.where(std >= minimal_std, 1.0).log())

    def log_prob(self, latent: Tensor) -> Tensor:
        """Return the log-density of each latent, shape (B,), in nats."""
        standard = (latent + self.loc) * self.log_scale.exp()
        constant = self.log_scale.sum() - 0.5 * math.log(2 * math.pi) * self.loc.numel()
        return constant - 0.5 * standard.square().sum(dim=(1, 2, 3))

    def sample(self, n: int, temperature: float = 1.0, generator: torch.Generator | None = None) -> Tensor:
        """Draw n latents (n, C, H, W) with the standard deviation times `temperature`.

        The noise is drawn on the generator's device (CPU without one), so that a seed gives the
        same images on every device.
        """
        device = generator.device if generator is not None else torch.device("cpu")
        noise = torch.randn(n, *self.loc.shape, generator=generator, device=device, dtype=self.loc.dtype)
        return temperature * noise.to(self.loc.device) * (-self.log_scale).exp() - self.loc
