"""The noise process of a diffusion model, as tensors indexed by timestep."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.diffusion.config import DiffusionConfig
from models.diffusion.library import from_diffusers

__all__ = ["NoiseSchedule"]


class NoiseSchedule(nn.Module):
    """x_t = sqrt(alpha_bar_t) x_0 + sqrt(1 - alpha_bar_t) noise, for t = 1 ... T; images in [-1, 1].

    The buffers are not saved: they follow from the settings.

    Attributes:
        signal: alpha_bar_0 = 1, alpha_bar_1, ... alpha_bar_T, (T + 1,), float64.
        betas: 0, beta_1, ... beta_T, (T + 1,), float64.

    References:
        Denoising diffusion probabilistic models (Ho et al., 2020), equations 4, 7 and 12.
    """

    signal: Tensor
    betas: Tensor

    def __init__(self, config: DiffusionConfig) -> None:
        super().__init__()
        self.forward_variance = config.variance == "forward"
        scheduler = from_diffusers("DDPMScheduler")(
            num_train_timesteps=config.timesteps, beta_start=config.first_beta, beta_end=config.last_beta
        )
        betas = torch.cat((torch.zeros(1), scheduler.betas)).double()
        self.register_buffer("betas", betas, persistent=False)
        self.register_buffer("signal", (1 - betas).cumprod(dim=0), persistent=False)

    @property
    def timesteps(self) -> int:
        """T."""
        return len(self.betas) - 1

    def noisy(self, images: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """Return x_t of images (B, C, H, W) for timesteps t (B,)."""
        signal = _per_image(self.signal[t], images)
        return signal.sqrt() * images + (1 - signal).sqrt() * noise

    def divergence(self, squared_error: Tensor, dimensions: int, t: Tensor) -> Tensor:
        """Return KL(q(x_{t-1}|x_t, x_0) || p(x_{t-1}|x_t)), (B,), in nats, for timesteps t > 1.

        Args:
            squared_error: of the predicted noise, summed over dimensions, (B,).
            dimensions: D.
            t: timesteps (B,).
        """
        ratio = self._posterior_variance(t) / self.reverse_variance(t)
        constant = dimensions / 2 * (ratio - 1 - ratio.log())
        return self.error_weight(t).to(squared_error) * squared_error + constant.to(squared_error)

    def error_weight(self, t: Tensor) -> Tensor:
        """Return what the squared error of the predicted noise is multiplied by in the bound, (B,), float64.

        At t = 1, where the bound holds no divergence, it is what a Gaussian without bins would have.
        """
        alpha = 1 - self.betas[t]
        weight: Tensor = self.betas[t] ** 2 / (2 * self.reverse_variance(t) * alpha * (1 - self.signal[t]))
        return weight

    def reverse_variance(self, t: Tensor) -> Tensor:
        """Return the variance of p(x_{t-1}|x_t); at t = 1 it is beta_1 in any case."""
        return self.betas[t] if self.forward_variance else self._posterior_variance(t)

    def _posterior_variance(self, t: Tensor) -> Tensor:
        variance = self.betas[t] * (1 - self.signal[t - 1]) / (1 - self.signal[t])
        return torch.where(t == 1, self.betas[t], variance)

    def mean(self, noisy: Tensor, predicted_noise: Tensor, t: Tensor) -> Tensor:
        """Return the mean of p(x_{t-1}|x_t), (B, C, H, W)."""
        beta, signal = _per_image(self.betas[t], noisy), _per_image(self.signal[t], noisy)
        return (noisy - beta / (1 - signal).sqrt() * predicted_noise) / (1 - beta).sqrt()

    def mean_within_range(self, noisy: Tensor, predicted_noise: Tensor, t: Tensor) -> Tensor:
        """Return the same mean, (B, C, H, W), with the image behind the noise kept within [-1, 1].

        It is the mean of q(x_{t-1}|x_t, x_0) at that image; where nothing leaves the range, it is `mean`.
        """
        beta, signal = _per_image(self.betas[t], noisy), _per_image(self.signal[t], noisy)
        before = _per_image(self.signal[t - 1], noisy)
        image = ((noisy - (1 - signal).sqrt() * predicted_noise) / signal.sqrt()).clamp(-1, 1)
        of_image, of_noisy = before.sqrt() * beta, (1 - beta).sqrt() * (1 - before)
        return (of_image * image + of_noisy * noisy) / (1 - signal)


def _per_image(values: Tensor, like: Tensor) -> Tensor:
    return values.to(like)[:, None, None, None]
