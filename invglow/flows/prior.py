"""The density of a latent: an elementwise affine map, then a standard normal."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from invglow.flows.drawing import standard_noise

__all__ = ["AffinePrior", "ElementwiseNormal", "LatentPrior"]


class LatentPrior(nn.Module, ABC):
    """The density of the latent of one scale, by an elementwise affine map to a standard normal.

    Attributes:
        loc: shifts; their last three dimensions are those of a latent, (C, H, W).
        log_scale: logarithms of the scales, of the same shape.
    """

    loc: nn.Parameter
    log_scale: nn.Parameter

    @property
    @abstractmethod
    def latent_shape(self) -> tuple[int, ...]:
        """Shape (C, H, W) of one latent."""

    @abstractmethod
    def fit(self, latent: Tensor, minimal_std: float = 1e-6) -> None:
        """Set the parameters so that the batch (B, C, H, W) is standardised element by element.

        Elements whose standard deviation is less than `minimal_std` are taken as constant: only shifted.
        """

    @abstractmethod
    def log_prob(self, latent: Tensor) -> Tensor:
        """Return the log-density of each latent, shape (B,), in nats."""

    @abstractmethod
    def sample(self, n: int, temperature: float = 1.0, generator: torch.Generator | None = None) -> Tensor:
        """Draw n latents (n, C, H, W) with the standard deviation times `temperature`."""


class AffinePrior(LatentPrior):
    """A prior under which an affine map, the same for every latent, leads to a standard normal."""

    @abstractmethod
    def standardize(self, latent: Tensor) -> Tensor:
        """Map latents (B, C, H, W) to where their density is a standard normal."""

    @abstractmethod
    def restore(self, standard: Tensor) -> Tensor:
        """Undo `standardize`."""


class ElementwiseNormal(AffinePrior):
    """Independent normals, one per element: `exp(log_scale) * (latent + loc)` is standard normal.

    Args:
        shape: shape (C, H, W) of one latent.
    """

    def __init__(self, shape: Sequence[int]) -> None:
        super().__init__()
        self.loc = nn.Parameter(torch.zeros(*shape))
        self.log_scale = nn.Parameter(torch.zeros(*shape))

    @property
    def latent_shape(self) -> tuple[int, ...]:
        return tuple(self.loc.shape)

    @torch.no_grad()
    def fit(self, latent: Tensor, minimal_std: float = 1e-6) -> None:
        std, mean = torch.std_mean(latent, dim=0, correction=0)
        self.loc.copy_(-mean)
        self.log_scale.copy_(-std.where(std >= minimal_std, 1.0).log())

    def log_prob(self, latent: Tensor) -> Tensor:
        standard = self.standardize(latent)
        constant = self.log_scale.sum() - 0.5 * math.log(2 * math.pi) * self.loc.numel()
        return constant - 0.5 * standard.square().sum(dim=(1, 2, 3))

    def sample(self, n: int, temperature: float = 1.0, generator: torch.Generator | None = None) -> Tensor:
        noise = standard_noise((n, *self.loc.shape), self.loc, generator)
        return self.restore(temperature * noise)

    def standardize(self, latent: Tensor) -> Tensor:
        return (latent + self.loc) * self.log_scale.exp()

    def restore(self, standard: Tensor) -> Tensor:
        return standard * (-self.log_scale).exp() - self.loc
