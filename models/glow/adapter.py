"""Glow behind the interface of all generative models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor

from invglow.flows import AffinePrior, ClassConditionalFlow, GlowConfig, MultiScaleFlow, build_glow
from invglow.training.likelihood_model import ClassConditionalModel
from models.base import InvertibleModel

__all__ = ["ClassConditionalGlow", "Glow"]


class Glow(InvertibleModel):
    """Exact likelihoods, and the share of each scale, from a multi-scale flow.

    Args:
        flow: the flow, of any variant.
    """

    bound = "exact"
    is_static = True

    def __init__(self, flow: MultiScaleFlow) -> None:
        super().__init__()
        self.flow = flow
        self.image_shape = flow.image_shape
        self.scales = len(flow.scales)
        self.standardized = all(isinstance(scale.prior, AffinePrior) for scale in flow.scales)

    @classmethod
    def from_config(cls, config: GlowConfig) -> Glow:
        """Build a fresh model from its settings, with classes if they say so."""
        return cls.from_flow(build_glow(config))

    @staticmethod
    def from_flow(flow: MultiScaleFlow) -> Glow:
        """Return the model of a flow, with classes if it has them."""
        return ClassConditionalGlow(flow) if isinstance(flow, ClassConditionalFlow) else Glow(flow)

    def scale_terms(self, x: Tensor) -> tuple[Tensor, Tensor]:
        outputs = self.flow(x)
        log_det = torch.stack([output.log_det for output in outputs], dim=1)
        log_prior = torch.stack([output.log_prior for output in outputs], dim=1)
        return log_det, log_prior

    def latents(self, x: Tensor) -> tuple[Tensor, ...]:
        latents, _ = self.flow.latents(x)
        if not self.standardized:
            return tuple(latents)
        return tuple(p.standardize(z) for p, z in zip(self._affine_priors(), latents, strict=True))

    def invert(self, latents: Sequence[Tensor]) -> Tensor:
        if not self.standardized:
            return self.flow.inverse(latents)
        return self.flow.inverse([p.restore(z) for p, z in zip(self._affine_priors(), latents, strict=True)])

    def sample(self, n: int, generator: torch.Generator | None = None, temperature: float = 1.0) -> Tensor:
        return self.flow.sample(n, temperature=temperature, generator=generator)

    def _affine_priors(self) -> list[AffinePrior]:
        return [cast(AffinePrior, scale.prior) for scale in self.flow.scales]


class ClassConditionalGlow(Glow, ClassConditionalModel):
    """A Glow whose latents have a density for each class; log p(x), their mixture, and its shares are exact.

    Args:
        flow: the flow.
    """

    def __init__(self, flow: ClassConditionalFlow) -> None:
        super().__init__(flow)
        self.classes = flow.classes

    def class_log_probs(self, x: Tensor) -> Tensor:
        return self._flow_of_classes.class_log_probs(x)

    def sample(
        self,
        n: int,
        generator: torch.Generator | None = None,
        temperature: float = 1.0,
        labels: Tensor | None = None,
    ) -> Tensor:
        """Draw n images (n, C, H, W), of the classes `labels` (n,) or of uniformly drawn ones."""
        return self._flow_of_classes.sample(n, temperature, generator, labels)

    @property
    def _flow_of_classes(self) -> ClassConditionalFlow:
        return cast(ClassConditionalFlow, self.flow)
