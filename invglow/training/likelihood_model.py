"""What training asks of a model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

__all__ = ["ClassConditionalModel", "LikelihoodModel"]


class LikelihoodModel(nn.Module, ABC):
    """A density over images that can be evaluated and sampled.

    Images are (B, C, H, W) floats in [-1/2, 1/2): uint8 data dequantised to bins of width 1/256.
    Each image is treated on its own: nothing may depend on the other images of the batch.
    """

    @abstractmethod
    def log_prob(self, x: Tensor) -> Tensor:
        """Return log p(x) of shape (B,), in nats, summed over dimensions, differentiable."""

    @abstractmethod
    def sample(self, n: int, generator: torch.Generator | None = None, temperature: float = 1.0) -> Tensor:
        """Draw n images (n, C, H, W), in about [-1/2, 1/2]."""

    def training_log_prob(self, x: Tensor) -> Tensor:
        """Return what training maximises, (B,), differentiable: log p(x), or what stands in for it."""
        return self.log_prob(x)

    @property
    def measures_likelihood(self) -> bool:
        """Whether `log_prob` is a log-likelihood or a bound on it, and so has bits per dimension."""
        return True

    @property
    def samples_slowly(self) -> bool:
        """Whether samples take so many passes through a network that training draws some at its end alone."""
        return False

    @property
    def bounds_likelihood(self) -> bool:
        """Whether `log_prob` is a lower bound, so that its bits per dimension are an upper one."""
        return False

    @property
    def trains_likelihood(self) -> bool:
        """The same of `training_log_prob`."""
        return self.measures_likelihood

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """Put this model into evaluation mode for a while; then each module gets back the mode it had."""
        modes = [(module, module.training) for module in self.modules()]
        try:
            self.eval()
            yield
        finally:
            for module, training in modes:
                module.training = training


class ClassConditionalModel(LikelihoodModel):
    """A mixture of densities, one for each of several equally likely classes.

    `log_prob` is the logsumexp of `class_log_probs` over the classes minus log C.

    Attributes:
        classes: number of classes C.
    """

    classes: int

    @abstractmethod
    def class_log_probs(self, x: Tensor) -> Tensor:
        """Return log p(x|y) of every class, (B, C), in nats, summed over dimensions, differentiable."""
