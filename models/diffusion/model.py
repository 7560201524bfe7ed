"""A DDPM behind the interface of all generative models."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from invglow.flows.drawing import standard_noise
from models.base import Bound, Estimate, StochasticModel
from models.diffusion.bound import discretised_gaussian_log_mass, prior_divergence, stratified
from models.diffusion.config import DiffusionConfig
from models.diffusion.schedule import NoiseSchedule
from models.diffusion.unet import build_unet
from models.logistic import BINS, bin_centre, bin_of
from models.noise import normal_noise, uniform_noise

__all__ = ["Diffusion"]

_TIMESTEP_SEED = 1 << 32  # apart from the seeds of the noises
_SEED_STRIDE = 1 << 40  # from one noise_seed to the next, so that no two of them share a draw


class Diffusion(StochasticModel):
    """Predicts the noise in images of every noise level; `log_prob` is what the settings' `evaluation` says.

    "bound": the variational bound on the log-probability of the 8-bit image plus D log 256, all T terms or a
    stratified estimate. "timestep": -|noise - predicted noise|^2 at one timestep, averaged over
    `noise_samples`, which is no likelihood ("surrogate"). The noise of an image depends on the seed and its
    index alone; the caller's images are never changed.

    Args:
        config: the settings.
        network: maps noisy images (B, C, H, W) and timesteps 1 ... T (B,) to the predicted noise.

    References:
        Denoising diffusion probabilistic models (Ho et al., 2020), equations 5, 12, 13 and 14;
        Dauncey et al. (2024), whose scores take the loss of a single timestep.
    """

    is_static = True

    def __init__(self, config: DiffusionConfig, network: nn.Module | None = None) -> None:
        super().__init__()
        self.config = config
        self.image_shape = config.image_shape
        self.evaluation = config.evaluated
        self.bound: Bound = "elbo" if config.evaluation == "bound" else "surrogate"
        self.schedule = NoiseSchedule(config)
        self.network = network if network is not None else build_unet(config)

    def estimate(self, x: Tensor, index: Tensor | None = None) -> Estimate:
        if self.config.evaluation == "bound":
            return self.bound_estimate(x, index)
        t = torch.full((len(x),), self.config.timestep, device=x.device)
        draws = [-self._squared_error(x, t, draw, index) for draw in range(self.config.noise_samples)]
        values = torch.stack(draws, dim=1)
        return stratified(values[:, None], values.new_ones(1))

    @property
    def trains_likelihood(self) -> bool:
        return False

    def training_log_prob(self, x: Tensor) -> Tensor:
        """Return minus the squared error at a timestep drawn for each image, (B,), as `training` says.

        With "bound" its mean is, up to a factor and a constant, the bound itself, but for the bins of the
        first timestep: each is drawn with a probability in proportion to its weight there.
        """
        uniform = uniform_noise(x, (1,), _TIMESTEP_SEED)[:, 0]
        if self.config.training == "simple":
            t = 1 + (uniform * self.config.timesteps).long()
        else:
            weights = self.schedule.error_weight(torch.arange(1, self.config.timesteps + 1, device=x.device))
            shares = weights.cumsum(dim=0) / weights.sum()
            t = 1 + torch.searchsorted(shares, uniform).clamp_max(self.config.timesteps - 1)
        return -self._squared_error(x, t, 0, None)

    def bound_estimate(self, x: Tensor, index: Tensor | None = None) -> Estimate:
        """Return the bound on log p(x) of images (B, C, H, W), and its standard error.

        With all T terms the error is that of the noise alone. Arguments are those of `estimate`.
        """
        starts, sizes = self._strata(x.device)
        values = torch.stack(
            [
                self._terms(x, index, stratum, start, size)
                for stratum, (start, size) in enumerate(zip(starts.tolist(), sizes.tolist(), strict=True))
            ],
            dim=1,
        )
        total, error = stratified(values, sizes.to(values))
        images = self._images(x)
        constant = math.prod(self.image_shape) * math.log(BINS)
        last = prior_divergence(images, self.schedule.signal[-1])
        return Estimate(constant - last - total, error)

    def _strata(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """Return first timestep and number of timesteps of each range that a term is drawn from.

        The first timestep is a range of its own: its term is of another kind, and the largest.
        """
        timesteps = self.config.timesteps
        ranges = (self.config.terms or timesteps) - 1
        geometric = 2 * ((timesteps + 1) / 2) ** (torch.arange(ranges + 1, device=device).double() / ranges)
        places = torch.arange(ranges + 1, device=device)
        edges = (geometric.round().long() - places).cummax(dim=0).values + places  # none is empty
        starts = torch.cat((torch.ones(1, dtype=torch.long, device=device), edges[:-1]))
        return starts, torch.diff(torch.cat((starts, edges[-1:])))

    def _terms(self, x: Tensor, index: Tensor | None, stratum: int, start: int, size: int) -> Tensor:
        """Return the losses of timesteps drawn from a range, (B, noise_samples)."""
        samples = self.config.noise_samples
        numbers = range(stratum * samples, (stratum + 1) * samples)
        return torch.stack([self._term(x, index, number, start, size) for number in numbers], dim=1)

    def _term(self, x: Tensor, index: Tensor | None, number: int, start: int, size: int) -> Tensor:
        """Return the loss (B,) of a timestep of a range: a divergence or, at t = 1, -log p(x_0|x_1)."""
        uniform = uniform_noise(x, (1,), self._seed(_TIMESTEP_SEED * (number + 2)), index)[:, 0]
        t = start + (uniform * size).long()
        noisy, noise = self._noisy(x, t, number, index)
        predicted = self.network(noisy, t)
        if start > 1:
            return self.schedule.divergence(_squared_norm(noise - predicted), x[0].numel(), t)
        mean = self.schedule.mean(noisy, predicted, t)
        std = self.schedule.betas[1].sqrt().to(x.dtype)
        return -discretised_gaussian_log_mass(bin_of(x), mean, std).sum(dim=(1, 2, 3))

    def _squared_error(self, x: Tensor, t: Tensor, number: int, index: Tensor | None) -> Tensor:
        """Return the squared error of the predicted noise, (B,)."""
        noisy, noise = self._noisy(x, t, number, index)
        return _squared_norm(noise - self.network(noisy, t))

    def _noisy(self, x: Tensor, t: Tensor, number: int, index: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return the images with noise of a timestep, and the noise."""
        noise = normal_noise(x, self.image_shape, self._seed(number), index)
        return self.schedule.noisy(self._images(x), noise, t), noise

    def _seed(self, number: int) -> int:
        return self.config.noise_seed * _SEED_STRIDE + number

    def _images(self, x: Tensor) -> Tensor:
        """Return the centres of the bins, in [-1, 1]."""
        return 2 * bin_centre(bin_of(x), x.dtype)

    @property
    def samples_slowly(self) -> bool:
        return True

    @torch.no_grad()
    def sample(self, n: int, generator: torch.Generator | None = None, temperature: float = 1.0) -> Tensor:
        like, shape = next(self.parameters(), self.schedule.betas), (n, *self.image_shape)
        images = temperature * standard_noise(shape, like, generator)
        for step in range(self.config.timesteps, 0, -1):
            t = torch.full((n,), step, device=like.device)
            # Errors of the network would add up to images far out of range.
            images = self.schedule.mean_within_range(images, self.network(images, t), t)
            if step > 1:
                std = self.schedule.reverse_variance(t[0]).sqrt().to(images)
                images = images + temperature * std * standard_noise(shape, like, generator)
        return (images / 2).clamp(-0.5, 0.5)


def _squared_norm(x: Tensor) -> Tensor:
    return x.square().sum(dim=(1, 2, 3))
