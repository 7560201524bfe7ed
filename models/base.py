"""The one interface that every generative model offers to the anomaly methods."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Literal

import torch
from torch import Tensor, nn

__all__ = ["Bound", "GenerativeModel", "MultiScaleModel"]

Bound = Literal["exact", "elbo", "surrogate"]


class GenerativeModel(nn.Module, ABC):
    """A density over images that can be evaluated and sampled.

    Images are (B, C, H, W) floats in [-1/2, 1/2): uint8 data dequantised to bins of width 1/256.
    Each image is treated on its own: nothing may depend on the other images of the batch.

    Attributes:
        image_shape: shape (C, H, W) of one image.
        bound: whether `log_prob` is exact, a lower bound ("elbo") or something else ("surrogate").
    """

    image_shape: tuple[int, int, int]
    bound: Bound

    @abstractmethod
    def log_prob(self, x: Tensor) -> Tensor:
        """Return log p(x) of shape (B,), in nats, summed over dimensions, differentiable."""

    @abstractmethod
    def sample(self, n: int, generator: torch.Generator | None = None, temperature: float = 1.0) -> Tensor:
        """Draw n images (n, C, H, W), in about [-1/2, 1/2]."""


class MultiScaleModel(GenerativeModel):
    """A model whose log-likelihood is a sum of shares, one per scale, finest first.

    Attributes:
        scales: number of scales S.
    """

    scales: int

    @abstractmethod
    def scale_terms(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return log_det and log_prior of each scale, both (B, S), in nats; all of them sum to log p(x)."""

    def scale_log_probs(self, x: Tensor) -> Tensor:
        """Return the share of each scale in log p(x), (B, S), in nats (Schirrmeister et al., 2020, eq. 3)."""
        log_det, log_prior = self.scale_terms(x)
        return log_det + log_prior

    def log_prob(self, x: Tensor) -> Tensor:
        return self.scale_log_probs(x).sum(dim=1)
