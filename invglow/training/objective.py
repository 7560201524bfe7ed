"""What training minimises: the likelihood alone, or more."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor

from invglow.training.likelihood_model import LikelihoodModel
from invglow.training.losses import negative_log_likelihood

__all__ = ["LIKELIHOOD", "Batch", "Loss", "MaximumLikelihood", "Objective"]

LIKELIHOOD = "likelihood"


class Batch(NamedTuple):
    """What one process sees in one step: images (B, C, H, W) and what else its objective asks for."""

    images: Tensor
    labels: Tensor | None = None  # int64 (B,)
    outliers: Tensor | None = None  # images of the general set, (B, C, H, W)

    def to(self, device: torch.device) -> Batch:
        """Return the batch on a device."""
        rest = (None if part is None else part.to(device, non_blocking=True) for part in self[1:])
        return Batch(self.images.to(device, non_blocking=True), *rest)


class Loss(NamedTuple):
    """What a step minimises: the sum of its parts, scalars in nats per image, `likelihood` among them.

    `left_out` counts the images whose log-probability was not finite, and which took no part.
    """

    parts: dict[str, Tensor]
    left_out: Tensor

    @property
    def total(self) -> Tensor:
        """The sum of the parts."""
        return torch.stack(list(self.parts.values())).sum()


class Objective(ABC):
    """Says what a step minimises. It holds no parameters to train."""

    def batch(self, step: int, x: Tensor) -> Batch:  # noqa: ARG002 - for those that need it
        """Return the images of the step that follows `step` finished ones with all that the loss needs."""
        return Batch(x)

    def minimises_likelihood(self, model: LikelihoodModel) -> bool:
        """Return whether the part `likelihood` is minus a log-likelihood, or minus a bound on it."""
        return model.measures_likelihood

    @abstractmethod
    def loss(self, model: LikelihoodModel, batch: Batch) -> Loss:
        """Return the loss of a batch, differentiable."""


class MaximumLikelihood(Objective):
    """The mean of -log p(x), or of what the model trains by in its place."""

    def minimises_likelihood(self, model: LikelihoodModel) -> bool:
        return model.trains_likelihood

    def loss(self, model: LikelihoodModel, batch: Batch) -> Loss:
        nll = negative_log_likelihood(model.training_log_prob(batch.images))
        return Loss({LIKELIHOOD: nll}, torch.zeros((), device=nll.device))
