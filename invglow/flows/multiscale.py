"""A flow over several scales, and the share of each scale in the log-likelihood."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal, NamedTuple, TypeVar, cast

import torch
from torch import Tensor, nn

from invglow.flows.layout import FeatureLayout
from invglow.flows.prior import LatentPrior
from invglow.transforms import FlowStep, Squeeze
from invglow.transforms.coupling import halves

__all__ = ["FlowScale", "Half", "MultiScaleFlow", "ScaleOutput", "check_sampling"]

Half = Literal["first", "second"]
Run = Callable[[Tensor], tuple[Tensor, Tensor]]
ModuleType = TypeVar("ModuleType", bound=nn.Module)


class ScaleOutput(NamedTuple):
    """What one scale contributes: its latent and the two parts of its share of log p(x).

    `latent` has shape (B, C, H, W); `log_det` (of this scale's steps) and `log_prior` (of its
    latent) have shape (B,) and are in nats.
    """

    latent: Tensor
    log_det: Tensor
    log_prior: Tensor

    @property
    def log_prob(self) -> Tensor:
        """The share of this scale in log p(x), shape (B,), in nats (Schirrmeister et al., eq. 3)."""
        return self.log_det + self.log_prior


class FlowScale(nn.Module):
    """Squeeze, then the steps of one scale, then the prior of the latent that leaves here.

    Args:
        steps: of the scale.
        prior: of its latent.
        layout: how the steps see the squeezed features, where not as an image.
    """

    def __init__(
        self, steps: Iterable[FlowStep], prior: LatentPrior, layout: FeatureLayout | None = None
    ) -> None:
        super().__init__()
        self.squeeze = Squeeze()
        self.steps = _module_sequence(steps)
        self.prior = prior
        self.layout = layout

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Run squeeze and steps; return the features and their log-determinant (B,)."""
        return self._through(self.steps, x)

    def forward_unfolded(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Compute `forward` one operation at a time: the reference that tests compare with."""
        return self._through([step.forward_unfolded for step in self.steps], x)

    def inverse(self, z: Tensor) -> Tensor:
        """Undo `forward`."""
        z = z if self.layout is None else self.layout.enter(z)
        for step in reversed(self.steps):
            z, _ = step.inverse(z)
        z = z if self.layout is None else self.layout.leave(z)
        return self.squeeze.inverse(z)[0]

    def _through(self, steps: Iterable[Run], x: Tensor) -> tuple[Tensor, Tensor]:
        x, log_det = self.squeeze(x)
        if self.layout is None:
            return _in_turn(steps, x, log_det)
        rows = self.layout.enter(x)
        rows, log_det_of_rows = _in_turn(steps, rows, rows.new_zeros(len(rows)))
        return self.layout.leave(rows), self.layout.per_image(log_det_of_rows, len(x))


class MultiScaleFlow(nn.Module):
    """A normalizing flow that splits off half of its features as a latent after every scale but the last.

    One half of the channels is the latent; the other goes on to the next, coarser scale. No state is kept
    between calls.

    Args:
        scales: the scales, finest first.
        image_shape: shape (C, H, W) of one image.
        keeps: which half goes on, "second" or "first".

    References:
        Density estimation using Real NVP (Dinh et al., 2017), 3.6; Schirrmeister et al. (2020), eq. 3;
        docs/architectures.md, equation 6.
    """

    def __init__(
        self, scales: Sequence[FlowScale], image_shape: tuple[int, int, int], keeps: Half = "second"
    ) -> None:
        super().__init__()
        self.scales = _module_sequence(scales)
        self.image_shape = image_shape
        self.keeps: Half = keeps

    def forward(self, x: Tensor) -> tuple[ScaleOutput, ...]:
        """Map images (B, C, H, W) to one output per scale, finest first; log_probs sum to log p(x)."""
        return self._through_scales(x, folded=True)

    def forward_unfolded(self, x: Tensor) -> tuple[ScaleOutput, ...]:
        """Compute `forward` one operation at a time: the reference that tests compare with."""
        return self._through_scales(x, folded=False)

    def _through_scales(self, x: Tensor, folded: bool) -> tuple[ScaleOutput, ...]:
        latents, log_dets = self.latents(x, folded=folded)
        return tuple(map(ScaleOutput, latents, log_dets, self.log_priors(latents)))

    def latents(self, x: Tensor, *, folded: bool = True) -> tuple[list[Tensor], list[Tensor]]:
        """Map images (B, C, H, W) to the latent and the log-determinant (B,) of each scale, finest first."""
        latents, _, log_dets = zip(*self._scale_by_scale(x, folded), strict=True)
        return list(latents), list(log_dets)

    def _scale_by_scale(self, x: Tensor, folded: bool) -> Iterator[tuple[Tensor, Tensor | None, Tensor]]:
        """Yield the latent of each scale, the features that go on, and the log-determinant, finest first."""
        self._check_images(x)
        for i, scale in enumerate(self.scales):
            features, log_det = scale(x) if folded else scale.forward_unfolded(x)
            if i == len(self.scales) - 1:
                yield features, None, log_det
            else:
                latent, x = self._split(features)
                yield latent, x, log_det

    def _split(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return the latent, and the features that go on."""
        first, second = halves(features)
        return (first, second) if self.keeps == "second" else (second, first)

    def _join(self, latent: Tensor, going_on: Tensor) -> Tensor:
        """Undo `_split`."""
        parts = (latent, going_on) if self.keeps == "second" else (going_on, latent)
        return torch.cat(parts, dim=1)

    def log_priors(self, latents: Sequence[Tensor]) -> list[Tensor]:
        """Return the share of each latent in the log-density of all of them, each (B,), in nats."""
        return [scale.prior.log_prob(latent) for scale, latent in zip(self.scales, latents, strict=True)]

    def log_prob(self, x: Tensor) -> Tensor:
        """Return log p(x) of shape (B,), in nats, of the continuous input."""
        return torch.stack([output.log_prob for output in self(x)]).sum(dim=0)

    def inverse(self, latents: Sequence[Tensor]) -> Tensor:
        """Map one latent per scale, finest first, back to images (B, C, H, W)."""
        self._check_latents(latents)
        features = latents[-1]
        for i in reversed(range(len(self.scales))):
            if i < len(self.scales) - 1:
                features = self._join(latents[i], features)
            features = self.scales[i].inverse(features)
        return features

    @torch.no_grad()
    def sample(self, n: int, temperature: float = 1.0, generator: torch.Generator | None = None) -> Tensor:
        """Draw n images (n, C, H, W) in about [-1/2, 1/2], scaling the standard deviation of the latents.

        Nothing is clipped. Where training has only begun, the inverse of a few latents can overflow at
        temperature 1: such an image is not finite, and the caller decides what to show instead.

        Raises:
            ValueError: if `n` is less than 1 or `temperature` negative.
        """
        check_sampling(n, temperature)
        latents = [scale.prior.sample(n, temperature, generator) for scale in self.scales]
        return self.inverse(latents)

    def _check_images(self, x: Tensor) -> None:
        if x.dim() != 4 or tuple(x.shape[1:]) != self.image_shape or len(x) == 0:
            raise ValueError(
                f"This flow takes images of shape (B, {', '.join(map(str, self.image_shape))}) with B >= 1, "
                f"got {tuple(x.shape)}."
            )
        if not x.is_floating_point():
            raise ValueError(
                f"This flow takes floats in [-1/2, 1/2), got {x.dtype}: dequantize the images first."
            )

    def _check_latents(self, latents: Sequence[Tensor]) -> None:
        expected = [scale.prior.latent_shape for scale in self.scales]
        if [tuple(latent.shape[1:]) for latent in latents] != expected:
            raise ValueError(
                f"This flow takes one latent per scale, of shapes (B, C, H, W) with (C, H, W) = {expected}, "
                f"got {[tuple(latent.shape) for latent in latents]}."
            )


def check_sampling(n: int, temperature: float) -> None:
    """Raise a ValueError unless `n` images can be drawn at `temperature`."""
    if n < 1 or not 0 <= temperature < math.inf:
        raise ValueError(f"Sampling needs n >= 1 and temperature >= 0, got n={n}, temperature={temperature}.")


def _in_turn(steps: Iterable[Run], x: Tensor, log_det: Tensor) -> tuple[Tensor, Tensor]:
    for step in steps:
        x, step_log_det = step(x)
        log_det = log_det + step_log_det
    return x, log_det


def _module_sequence(modules: Iterable[ModuleType]) -> Sequence[ModuleType]:
    """Register modules in a ModuleList, which remembers no types, and say what it holds."""
    return cast(Sequence[ModuleType], nn.ModuleList(modules))
