"""Latents whose density depends on the features that go on to the coarser scales."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from invglow.flows.drawing import standard_noise
from invglow.flows.multiscale import MultiScaleFlow, ScaleOutput, check_sampling
from invglow.flows.prior import LatentPrior
from invglow.transforms.network import LOG_SCALE_FACTOR, scaled_convolution

__all__ = ["ConditionalFlow", "ConditionalNormal"]


class ConditionalNormal(LatentPrior):
    """Normals whose mean and log standard deviation a 3x3 convolution finds in the features that go on.

    The convolution has a bias, and its outputs are multiplied by exp(3 log_scale); the even ones are the
    mean, the odd ones the log standard deviation. It starts at zero: a standard normal, whatever goes on.

    Args:
        shape: shape (C, H, W) of one latent; the features that go on have the same.

    References:
        Glow (Kingma and Dhariwal, 2018), its published code (`split2d_prior`);
        docs/architectures.md, equation 7.
    """

    def __init__(self, shape: Sequence[int]) -> None:
        super().__init__()
        self.shape = tuple(shape)
        channels = shape[0]
        self.conv = nn.Conv2d(channels, 2 * channels, 3, padding=1, bias=False)
        self.bias = nn.Parameter(torch.zeros(2 * channels))
        self.log_scale = nn.Parameter(torch.zeros(2 * channels))
        nn.init.zeros_(self.conv.weight)

    @property
    def latent_shape(self) -> tuple[int, ...]:
        return self.shape

    @torch.no_grad()
    def fit(self, latent: Tensor, minimal_std: float = 1e-6) -> None:
        """Set the bias so that the batch is standardised channel by channel; what goes on has no effect then.

        Channels whose standard deviation is less than `minimal_std` are taken as constant: only shifted.
        """
        std, mean = torch.std_mean(latent, dim=(0, 2, 3), correction=0)
        self.conv.weight.zero_()
        self.log_scale.zero_()
        self.bias[0::2] = mean
        self.bias[1::2] = std.where(std >= minimal_std, 1.0).log()

    def log_prob(self, latent: Tensor, given: Tensor | None = None) -> Tensor:
        """Return the log-density of each latent given the features that go on, shape (B,), in nats."""
        mean, log_std = self._mean_and_log_std(given)
        standard = (latent - mean) * (-log_std).exp()
        densities = 0.5 * standard.square() + log_std + 0.5 * math.log(2 * math.pi)
        return -densities.sum(dim=(1, 2, 3))

    def sample(
        self,
        n: int,
        temperature: float = 1.0,
        generator: torch.Generator | None = None,
        given: Tensor | None = None,
    ) -> Tensor:
        """Draw n latents (n, C, H, W), each given the features that go on in its image."""
        mean, log_std = self._mean_and_log_std(given)
        noise = standard_noise((n, *self.shape), self.bias, generator)
        return mean + temperature * noise * log_std.exp()

    def _mean_and_log_std(self, given: Tensor | None) -> tuple[Tensor, Tensor]:
        if given is None:
            raise ValueError("The density of this latent is known only given the features that go on.")
        scale = (LOG_SCALE_FACTOR * self.log_scale).exp()
        output = scaled_convolution(given, self.conv.weight, scale, self.bias)
        return output[:, 0::2], output[:, 1::2]


class ConditionalFlow(MultiScaleFlow):
    """A multi-scale flow whose latents, but the coarsest, have a density given what goes on.

    With z_1 ... z_S the latents, finest scale first, and h_s the features that scale s hands on, from which
    all coarser latents are computed, the share of scale s is `log_det_s + log p(z_s | h_s)`. The shares sum
    to log p(x) exactly, by the chain rule from the coarsest scale on. Images are drawn in that order.

    Args:
        scales: the scales, finest first, each but the last with `ConditionalNormal` as its prior.
        image_shape: shape (C, H, W) of one image.
        keeps: which half goes on, "second" or "first".

    References:
        Glow (Kingma and Dhariwal, 2018), its published code; Dauncey et al. (2024), whose models are of it.
    """

    def _through_scales(self, x: Tensor, folded: bool) -> tuple[ScaleOutput, ...]:
        return tuple(
            ScaleOutput(latent, log_det, _log_prior(scale.prior, latent, given))
            for scale, (latent, given, log_det) in zip(
                self.scales, self._scale_by_scale(x, folded), strict=True
            )
        )

    def log_priors(self, latents: Sequence[Tensor]) -> list[Tensor]:
        """Return log p(z_s | h_s) of each scale, each (B,), in nats; what goes on is found by inversion."""
        found = []

        def note(i: int, given: Tensor | None) -> Tensor:
            found.append(_log_prior(self.scales[i].prior, latents[i], given))
            return latents[i]

        self._from_the_coarsest(note)
        return found[::-1]

    @torch.no_grad()
    def sample(self, n: int, temperature: float = 1.0, generator: torch.Generator | None = None) -> Tensor:
        check_sampling(n, temperature)

        def draw(i: int, given: Tensor | None) -> Tensor:
            prior = self.scales[i].prior
            if isinstance(prior, ConditionalNormal):
                return prior.sample(n, temperature, generator, given)
            return prior.sample(n, temperature, generator)

        return self.scales[0].inverse(self._from_the_coarsest(draw))

    def _from_the_coarsest(self, latent_of: Callable[[int, Tensor | None], Tensor]) -> Tensor:
        """Put features together from the coarsest scale on; return those that the steps of scale 0 gave.

        Args:
            latent_of: gives the latent of scale i, from i and the features that go on there.
        """
        features = latent_of(len(self.scales) - 1, None)
        for i in reversed(range(len(self.scales) - 1)):
            given = self.scales[i + 1].inverse(features)
            features = self._join(latent_of(i, given), given)
        return features


def _log_prior(prior: LatentPrior, latent: Tensor, given: Tensor | None) -> Tensor:
    return prior.log_prob(latent, given) if isinstance(prior, ConditionalNormal) else prior.log_prob(latent)
