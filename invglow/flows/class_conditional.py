"""A flow whose latents have a density for each class; the shares of its scales are exact, too."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor

from invglow.flows.class_prior import ClassNormals
from invglow.flows.drawing import device_of
from invglow.flows.multiscale import FlowScale, Half, MultiScaleFlow, check_sampling

__all__ = ["ClassConditionalFlow"]


class ClassConditionalFlow(MultiScaleFlow):
    """A multi-scale flow with a density of the latents for each of C equally likely classes.

    With z_1 ... z_S the latents, finest scale first, and the log-determinants of the flow, which knows no
    class,

        log p(x|y) = sum over scales of (log_det_s + log p(z_s|y))
        log p(x) = logsumexp over y of log p(x|y) - log C

    Given the class, scales are independent; without it, they are not. The share of a scale is therefore what
    its latent adds to the coarser ones, by the chain rule from the coarsest scale on:

        log_prior_s = log p(z_s | z_s+1 ... z_S)
                    = logsumexp over y of (log p(z_s|y) + log p(y | z_s+1 ... z_S))

    where the posterior over classes is 1 / C before the coarsest scale. The shares sum to log p(x)
    exactly; the last one, which no other enters, is the mixture over classes of the coarsest latent alone.

    Args:
        scales: the scales, finest first, each with `ClassNormals` as its prior.
        image_shape: shape (C, H, W) of one image.
        keeps: as of the base class.

    Raises:
        ValueError: if a prior has no classes, or not as many as the others.

    References:
        Schirrmeister et al. (2020), class-conditional Glow; the shares are this library's own:
        docs/training.md, equations 4, 5 and 7.
    """

    def __init__(
        self, scales: Sequence[FlowScale], image_shape: tuple[int, int, int], keeps: Half = "second"
    ) -> None:
        super().__init__(scales, image_shape, keeps)
        found = {scale.prior.classes if isinstance(scale.prior, ClassNormals) else 0 for scale in scales}
        if len(found) != 1 or 0 in found:
            raise ValueError(f"Every scale must have a prior for the same number of classes, got {found}.")
        (self.classes,) = found

    @classmethod
    def from_flow(cls, flow: MultiScaleFlow, classes: int) -> ClassConditionalFlow:
        """Copy a flow without classes; each class starts with its prior, so that p(x|y) = p(x) at first."""
        scales = copy.deepcopy(flow.scales)
        for scale in scales:
            scale.prior = ClassNormals.repeating(scale.prior, classes)
        return cls(scales, flow.image_shape, flow.keeps)

    def class_log_probs(self, x: Tensor) -> Tensor:
        """Return log p(x|y) of each class, (B, classes), in nats."""
        latents, log_dets = self.latents(x)
        log_priors = torch.stack(self._class_log_priors(latents)).sum(dim=0)
        return torch.stack(log_dets).sum(dim=0)[:, None] + log_priors

    def log_priors(self, latents: Sequence[Tensor]) -> list[Tensor]:
        log_priors = []
        log_posterior = latents[0].new_full((len(latents[0]), self.classes), -math.log(self.classes))
        for class_log_prior in reversed(self._class_log_priors(latents)):
            joint = class_log_prior + log_posterior
            log_prior = joint.logsumexp(dim=1)
            log_posterior = joint - log_prior[:, None]
            log_priors.append(log_prior)
        return log_priors[::-1]

    @torch.no_grad()
    def sample(
        self,
        n: int,
        temperature: float = 1.0,
        generator: torch.Generator | None = None,
        labels: Tensor | None = None,
    ) -> Tensor:
        """Draw n images (n, C, H, W), as the base class does, of given classes or of uniformly drawn ones.

        Args:
            n: how many.
            temperature: times the standard deviation of the latents.
            generator: of classes and noise.
            labels: class of each image, int64 (n,).

        Raises:
            ValueError: if `n`, `temperature` or `labels` is out of range.
        """
        check_sampling(n, temperature)
        if labels is None:
            labels = torch.randint(self.classes, (n,), generator=generator, device=device_of(generator))
        if labels.shape != (n,):
            raise ValueError(f"Sampling {n} images takes as many labels, got shape {tuple(labels.shape)}.")
        low, high = int(labels.min()), int(labels.max())
        if low < 0 or high >= self.classes:
            raise ValueError(f"Labels must be from 0 to {self.classes - 1}, got some from {low} to {high}.")
        labels, priors = labels.to(self.scales[0].prior.loc.device), self._priors()
        return self.inverse([prior.sample_classes(labels, temperature, generator) for prior in priors])

    def _class_log_priors(self, latents: Sequence[Tensor]) -> list[Tensor]:
        """Return log p(z_s|y) of each scale, (B, classes)."""
        return [prior.class_log_probs(latent) for prior, latent in zip(self._priors(), latents, strict=True)]

    def _priors(self) -> list[ClassNormals]:
        return [cast(ClassNormals, scale.prior) for scale in self.scales]
