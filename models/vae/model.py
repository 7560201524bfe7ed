"""The VAE behind the interface of all generative models."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from invglow.flows.drawing import open_uniform, standard_noise
from models.base import Bound, Estimate, StochasticModel
from models.logistic import logistic_log_density
from models.noise import normal_noise
from models.vae.config import VAEConfig
from models.vae.networks import Decoder, Encoder

__all__ = ["VAE"]

# Log-scales beyond these say nothing about 8-bit images: 1/30 of a bin, and 7 times the range.
_LOG_SCALES = (-9.0, 2.0)
_LOG_STDS = (-10.0, 5.0)
_IMAGES_AT_ONCE = 1024  # that are decoded where no gradient is wanted


class VAE(StochasticModel):
    """Codes z ~ N(0, I), pixels independent given z, and a Gaussian q(z|x) with diagonal covariance.

    With k codes z_i ~ q(z|x) and weights w_i = p(x|z_i) p(z_i) / q(z_i|x), `log_prob` is
    (1/k) sum log w_i (the evidence lower bound) or log (1/k) sum w_i (the importance-weighted bound, which
    is tighter in expectation). The codes' noise depends on `noise_seed` and the image's index alone.

    Args:
        config: the settings.

    References:
        Auto-encoding variational Bayes (Kingma and Welling, 2014), equation 7.
        Importance weighted autoencoders (Burda et al., 2016), equation 8.
    """

    bound: Bound = "elbo"
    is_static = True

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        self.config = config
        self.image_shape = config.image_shape
        self.evaluation = config.evaluated
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)

    def estimate(self, x: Tensor, index: Tensor | None = None) -> Estimate:
        weights, samples = self.log_weights(x, index), self.config.samples
        if self.config.importance_weighted:
            # The logarithm of a mean is no mean: its error is mostly a bias, which these codes do not show.
            return Estimate(weights.logsumexp(dim=1) - math.log(samples), None)
        error = weights.std(dim=1) / math.sqrt(samples) if samples > 1 else None
        return Estimate(weights.mean(dim=1), error)

    def log_weights(self, x: Tensor, index: Tensor | None = None) -> Tensor:
        """Return log p(x|z_i) + log p(z_i) - log q(z_i|x) of each image and code, (B, samples), in nats.

        Arguments are those of `estimate`.
        """
        mean, log_std = self.encoder(x)
        log_std = log_std.clamp(*_LOG_STDS)
        noise = normal_noise(x, (self.config.samples, mean.shape[1]), self.config.noise_seed, index)
        z = mean[:, None] + noise * log_std.exp()[:, None]
        # Both normal densities have the same constant.
        prior_over_posterior: Tensor = (0.5 * (noise.square() - z.square()) + log_std[:, None]).sum(dim=2)
        # Without a graph that holds on to all of them, any number of codes takes the same memory.
        at_once = self.config.samples if torch.is_grad_enabled() else max(1, _IMAGES_AT_ONCE // len(x))
        likelihood = torch.cat([self._log_likelihoods(x, part) for part in z.split(at_once, dim=1)], dim=1)
        return likelihood + prior_over_posterior

    def _log_likelihoods(self, x: Tensor, z: Tensor) -> Tensor:
        """Return log p(x|z_i) of each image and each of its codes (B, codes, latent), (B, codes)."""
        images = x.repeat_interleave(z.shape[1], dim=0)
        found: Tensor = self.log_likelihood(images, z.flatten(0, 1)).unflatten(0, (len(x), -1))
        return found

    def log_likelihood(self, x: Tensor, z: Tensor) -> Tensor:
        """Return log p(x|z) of images (B, C, H, W) with codes (B, latent), (B,), in nats."""
        location, log_scale = self._pixels(z)
        if self.config.likelihood == "logistic":
            return logistic_log_density(x, location, log_scale).sum(dim=(1, 2, 3))
        standard = (x - location) * (-log_scale).exp()
        return -(0.5 * standard.square() + log_scale + 0.5 * math.log(2 * math.pi)).sum(dim=(1, 2, 3))

    def _pixels(self, z: Tensor) -> tuple[Tensor, Tensor]:
        location, log_scale = self.decoder(z)
        # A fresh decoder gives log-scales about 0; a spread of the size of natural contrasts starts better.
        return location, (log_scale - 2.5).clamp(*_LOG_SCALES)

    @torch.no_grad()
    def sample(self, n: int, generator: torch.Generator | None = None, temperature: float = 1.0) -> Tensor:
        z = standard_noise((n, self.config.latent_dimensions), next(self.parameters()), generator)
        location, log_scale = self._pixels(temperature * z)
        uniform = open_uniform(location.shape, location, generator)
        noise = uniform.logit() if self.config.likelihood == "logistic" else torch.special.ndtri(uniform)
        return (location + temperature * log_scale.exp() * noise).clamp(-0.5, 0.5)
