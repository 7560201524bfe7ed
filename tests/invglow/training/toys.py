"""A density that trains in no time, one that breaks down when told to, and small image sets."""

from __future__ import annotations

import math
from collections.abc import Container
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from invglow.data.batches import TrainingBatches
from invglow.data.image_set import ImageSet
from invglow.training import LikelihoodModel, Trainer, TrainingConfig
from invglow.training.likelihood_model import ClassConditionalModel

__all__ = ["CPU", "Gaussian", "GaussianMixture", "Killed", "make_images", "make_trainer"]

CPU = torch.device("cpu")


class Killed(BaseException):
    """Ends a training in the middle of a step, as no handler expects."""


class Gaussian(LikelihoodModel):
    """Independent pixels with one mean and one scale each; both start far from the images.

    Args:
        image_shape: (C, H, W).
        broken: numbers of the training steps, from 1, whose likelihood is not finite.
        killed_in: number of the training step that raises `Killed`.
    """

    def __init__(
        self, image_shape: tuple[int, int, int] = (1, 4, 4), broken: Container[int] = (), killed_in: int = 0
    ) -> None:
        super().__init__()
        self.loc = nn.Parameter(torch.full(image_shape, 0.4))
        self.log_scale = nn.Parameter(torch.zeros(image_shape))
        self.broken, self.killed_in, self.training_steps = broken, killed_in, 0

    def log_prob(self, x: Tensor) -> Tensor:
        z = (x - self.loc) / self.log_scale.exp()
        log_prob = (-0.5 * z**2 - 0.5 * math.log(2 * math.pi) - self.log_scale).flatten(1).sum(dim=1)
        if not torch.is_grad_enabled():
            return log_prob
        self.training_steps += 1
        if self.training_steps == self.killed_in:
            raise Killed
        return log_prob * torch.nan if self.training_steps in self.broken else log_prob

    def sample(self, n: int, generator: torch.Generator | None = None, temperature: float = 1.0) -> Tensor:
        noise = torch.randn((n, *self.loc.shape), generator=generator)
        return (self.loc + temperature * self.log_scale.exp() * noise).detach()


class GaussianMixture(ClassConditionalModel):
    """One density per class: independent pixels of the same scale around a grey value of the class."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classes = classes
        self.loc = nn.Parameter(torch.linspace(-0.4, 0.4, classes))

    def class_log_probs(self, x: Tensor) -> Tensor:
        z = x.flatten(1)[:, None] - self.loc[:, None]
        return (-0.5 * z**2 - 0.5 * math.log(2 * math.pi)).sum(dim=2)

    def log_prob(self, x: Tensor) -> Tensor:
        return self.class_log_probs(x).logsumexp(dim=1) - math.log(self.classes)

    def sample(self, n: int, generator: torch.Generator | None = None, temperature: float = 1.0) -> Tensor:
        return temperature * torch.randn((n, 1, 4, 4), generator=generator) + self.loc.detach().mean()


def make_images(
    count: int = 20,
    size: int = 4,
    channels: int = 1,
    seed: int = 0,
    *,
    name: str = "toys",
    top: int = 256,
    labels: int = 0,
) -> ImageSet:
    """Return random images with pixels below `top`, with labels of as many classes, if any."""
    shape = (count, size, size, channels)
    pixels = np.random.default_rng(seed).integers(0, top, shape, dtype=np.uint8)
    return ImageSet(name, "train", pixels, np.arange(count) * 7 % labels if labels else None)


def make_trainer(run: Path, model: LikelihoodModel | None = None, **settings: Any) -> Trainer:
    """Return a trainer of 12 steps of 5 images, with settings of `Trainer` or `TrainingConfig` changed."""
    own = ("evaluation", "log_every", "objective", "prepare", "progress", "samples_every")
    mine = {name: settings.pop(name) for name in own if name in settings}
    images = settings.pop("images", make_images())
    config = TrainingConfig(**{"steps": 12, "batch_size": 5, "warmup_steps": 2, **settings})
    return Trainer(
        model=Gaussian() if model is None else model,
        batches=TrainingBatches(images, config.batch_size, config.seed),
        config=config,
        run=run,
        device=CPU,
        **{"log_every": 1, **mine},
    )
