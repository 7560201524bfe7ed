"""The one interface that every generative model offers to the anomaly methods."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Literal, NamedTuple

from torch import Tensor

from invglow.training.failure import said_of
from invglow.training.likelihood_model import ClassConditionalModel, LikelihoodModel

__all__ = [
    "Bound",
    "ClassConditionalModel",
    "Estimate",
    "GenerativeModel",
    "InvertibleModel",
    "MissingPackageError",
    "MultiScaleModel",
    "StochasticModel",
    "said_of",
]

Bound = Literal["exact", "elbo", "surrogate"]


class MissingPackageError(ValueError):
    """A family needs a package that is not installed; the sentence says which extra to install."""


class Estimate(NamedTuple):
    """What `log_prob` returns, (B,), and its standard error, (B,), in nats.

    The error is that of the numbers that the model draws for an image; None where it draws none, or where one
    draw says nothing about it.
    """

    log_prob: Tensor
    standard_error: Tensor | None


class GenerativeModel(LikelihoodModel):
    """A likelihood model that says what its images and its likelihood are.

    Attributes:
        image_shape: shape (C, H, W) of one image.
        bound: whether `log_prob` is exact, a lower bound ("elbo") or something else ("surrogate").
        evaluation: how it is evaluated where `bound` does not say all, such as "timestep 64 of 1000"; for
            people.
        is_static: whether `log_prob` calls the same functions of torch for every batch of one shape, and
            depends on nothing but the images, parameters and buffers. What it does may then be recorded
            once and repeated for other batches, which is faster.
    """

    image_shape: tuple[int, int, int]
    bound: Bound
    evaluation: str = ""
    is_static: bool = False

    def estimate(self, x: Tensor) -> Estimate:
        """Return `log_prob` and, where that is a mean over random draws, its standard error."""
        return Estimate(self.log_prob(x), None)

    @property
    def measures_likelihood(self) -> bool:
        return self.bound != "surrogate"

    @property
    def bounds_likelihood(self) -> bool:
        return self.bound == "elbo"


class StochasticModel(GenerativeModel):
    """A model whose `log_prob` is estimated from random numbers that it draws for each image.

    They depend on a seed of the model and an image's index alone, as `models.noise` draws them. Statistics of
    a set give every image its place there.
    """

    @abstractmethod
    def estimate(self, x: Tensor, index: Tensor | None = None) -> Estimate:
        """Return `log_prob` and, where that is a mean over random draws, its standard error.

        Args:
            x: images (B, C, H, W).
            index: (B,), int64, that of each image; without, its pixels take the place of one.
        """

    def log_prob(self, x: Tensor, index: Tensor | None = None) -> Tensor:
        return self.estimate(x, index).log_prob


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


class InvertibleModel(MultiScaleModel):
    """A multi-scale model that maps each image to one latent per scale, and back.

    Attributes:
        standardized: whether the latents are in the unit in which their density is a standard normal;
            otherwise they are as the flow gives them, of an arbitrary unit.
    """

    standardized: bool

    @abstractmethod
    def latents(self, x: Tensor) -> tuple[Tensor, ...]:
        """Map images (B, C, H, W) to one latent (B, c, h, w) per scale, finest first."""

    @abstractmethod
    def invert(self, latents: Sequence[Tensor]) -> Tensor:
        """Map one latent per scale, finest first, back to images (B, C, H, W)."""
