"""Gaussian models whose likelihoods are known, and small image sets."""

from __future__ import annotations

import math
import time

import numpy as np
import torch
from torch import Tensor, nn

from invglow.data.image_set import ImageSet
from models.base import GenerativeModel, MultiScaleModel

__all__ = ["SHAPE", "Gaussian", "GaussianScales", "make_images"]

SHAPE = (1, 4, 4)


class Gaussian(GenerativeModel):
    """Every pixel N(0, 1 / precision^2); after `fail_after` calls it is interrupted, as by Ctrl-C."""

    def __init__(
        self, precision: float = 2.0, *, fail_after: int | None = None, seconds: float = 0.0
    ) -> None:
        super().__init__()
        self.image_shape = SHAPE
        self.bound = "exact"
        self.precision = nn.Parameter(torch.tensor(precision))
        self.images_seen = 0
        self.calls = 0
        self._fail_after = fail_after
        self._seconds = seconds

    def log_prob(self, x: Tensor) -> Tensor:
        if self._fail_after is not None and self.calls >= self._fail_after:
            raise KeyboardInterrupt
        time.sleep(self._seconds)
        self.calls += 1
        self.images_seen += len(x)
        z = (x * self.precision).flatten(1)
        return (self.precision.log() - z**2 / 2 - math.log(2 * math.pi) / 2).sum(dim=1)

    def sample(self, n: int, generator: torch.Generator | None = None, temperature: float = 1.0) -> Tensor:
        return temperature * torch.randn(n, *SHAPE, generator=generator) / self.precision.detach()


class GaussianScales(MultiScaleModel):
    """Two scales: the upper half of the image times 2 and the lower half times 3 are N(0, 1)."""

    def __init__(self) -> None:
        super().__init__()
        self.image_shape = SHAPE
        self.bound = "exact"
        self.scales = 2
        self.factors = nn.Parameter(torch.tensor([2.0, 3.0]))

    def scale_terms(self, x: Tensor) -> tuple[Tensor, Tensor]:
        z = x.reshape(len(x), 2, 8) * self.factors[:, None]
        log_prior = (-(z**2) / 2 - math.log(2 * math.pi) / 2).sum(dim=2)
        return (8 * self.factors.log()).expand(len(x), 2), log_prior

    def sample(self, n: int, generator: torch.Generator | None = None, temperature: float = 1.0) -> Tensor:
        z = temperature * torch.randn(n, 2, 8, generator=generator)
        return (z / self.factors.detach()[:, None]).reshape(n, *SHAPE)


def make_images(n: int, *, name: str = "cats", seed: int = 0) -> ImageSet:
    """Return n random grey images of 4 x 4 pixels."""
    images = np.random.default_rng(seed).integers(0, 256, size=(n, 4, 4, 1), dtype=np.uint8)
    return ImageSet(name=name, split="test", images=images)
