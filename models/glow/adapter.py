"""Glow behind the interface of all generative models."""

from __future__ import annotations

import torch
from torch import Tensor

from invglow.flows import GlowConfig, MultiScaleFlow, build_glow
from models.base import MultiScaleModel

__all__ = ["Glow"]


class Glow(MultiScaleModel):
    """Exact likelihoods, and the share of each scale, from a multi-scale flow.

    Args:
        flow: the flow, of any variant.
    """

    bound = "exact"

    def __init__(self, flow: MultiScaleFlow) -> None:
        super().__init__()
        self.flow = flow
        self.image_shape = flow.image_shape
        self.scales = len(flow.scales)

    @classmethod
    def from_config(cls, config: GlowConfig) -> Glow:
        """Build a fresh model from its settings."""
        return cls(build_glow(config))

    def scale_terms(self, x: Tensor) -> tuple[Tensor, Tensor]:
        outputs = self.flow(x)
        log_det = torch.stack([output.log_det for output in outputs], dim=1)
        log_prior = torch.stack([output.log_prior for output in outputs], dim=1)
        return log_det, log_prior

    def sample(self, n: int, generator: torch.Generator | None = None, temperature: float = 1.0) -> Tensor:
        return self.flow.sample(n, temperature=temperature, generator=generator)
