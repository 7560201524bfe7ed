"""Settings of a diffusion model as plain data."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from invglow.flows.checks import require_known, require_positive
from models.noise import require_seed

__all__ = ["EVALUATIONS", "TRAININGS", "VARIANCES", "DiffusionConfig"]

EVALUATIONS = ("bound", "timestep")
VARIANCES = ("forward", "posterior")
TRAININGS = ("simple", "bound")


@dataclass(frozen=True)
class DiffusionConfig:
    """Settings of a DDPM: its network, its noise, and what `log_prob` evaluates.

    Args:
        image_shape: (channels, height, width); the sides must be divisible by 2 ** (levels - 1).
        channels: of the U-Net at each resolution, finest first; each divisible by 8. Where all are 8, each
            channel is normalised alone, which takes away all that it is told of the timestep: 16 or more.
        layers_per_block: residual blocks at each resolution.
        attention: self-attention at the coarsest resolution.
        timesteps: T, of the noise process.
        first_beta: variance of the noise of the first step, linear up to `last_beta`.
        last_beta: of the last.
        variance: of the reverse steps: "forward" (beta_t, best for pixels that spread widely) or "posterior"
            (beta_tilde_t, best for pixels that are known; Ho et al., 2020, section 3.2).
        training: which timesteps meet training images: "simple" (all equally often; Ho et al., 2020,
            equation 14) or "bound" (each as often as its error weighs in the bound).
        evaluation: "bound" (the variational bound) or "timestep" (minus the squared error of the predicted
            noise at one timestep: a surrogate).
        terms: timesteps that the bound is estimated from, drawn out of so many ranges, which
            widen geometrically as the terms become smaller; 0 takes all T.
        timestep: 1 ... T, for "timestep".
        noise_samples: noises, and timesteps of each range, drawn for each image; the standard error of the
            bound needs two.
        noise_seed: of this noise, which else depends on an image's index alone.

    Raises:
        ValueError: if a number is out of its range, or the image not divisible.
    """

    image_shape: tuple[int, int, int] = (3, 32, 32)
    channels: tuple[int, ...] = (32, 64, 64)
    layers_per_block: int = 1
    attention: bool = True
    timesteps: int = 1000
    first_beta: float = 1e-4
    last_beta: float = 0.02
    variance: str = "forward"
    training: str = "simple"
    evaluation: str = "bound"
    terms: int = 10
    timestep: int = 16
    noise_samples: int = 2
    noise_seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "image_shape", tuple(self.image_shape))
        object.__setattr__(self, "channels", tuple(self.channels))
        require_positive(self, "layers_per_block", "timesteps", "noise_samples")
        self._check_network()
        self._check_evaluation()

    def _check_network(self) -> None:
        if not self.channels or any(width < 1 or width % 8 for width in self.channels):
            raise ValueError(f"channels must be one or more multiples of 8, got {self.channels}.")
        _, height, width = self.image_shape
        factor = 2 ** (len(self.channels) - 1)
        if height % factor or width % factor:
            raise ValueError(
                f"With {len(self.channels)} resolutions the image sides must be divisible by {factor}, got "
                f"{height}x{width}: name fewer channels or choose another image size."
            )
        if not 0 < self.first_beta <= self.last_beta < 1:
            raise ValueError(
                f"The noise variances must rise between 0 and 1, got {self.first_beta} to {self.last_beta}."
            )

    def _check_evaluation(self) -> None:
        require_known("evaluation", self.evaluation, EVALUATIONS)
        require_known("variance", self.variance, VARIANCES)
        require_known("training", self.training, TRAININGS)
        if not 1 <= self.timestep <= self.timesteps:
            raise ValueError(
                f"The timestep must be between 1 and {self.timesteps}, the number of timesteps of this "
                f"model, got {self.timestep}."
            )
        require_seed(self.noise_seed)
        # The first timestep's term is of another kind, and the others are drawn from at least one range.
        if self.timesteps < 2:
            raise ValueError(f"timesteps must be at least 2, got {self.timesteps}.")
        if self.terms == 1 or not 0 <= self.terms <= self.timesteps:
            raise ValueError(f"terms must be between 2 and {self.timesteps}, or 0 for all, got {self.terms}.")

    @property
    def evaluated(self) -> str:
        """What `log_prob` evaluates, in words."""
        whole = self.evaluation == "bound"
        which = f"{self.terms or self.timesteps} timesteps" if whole else f"timestep {self.timestep}"
        how = f"{which} of {self.timesteps}, {self.noise_samples} noise{'s' * (self.noise_samples > 1)}"
        return f"{how}, noise seed {self.noise_seed}" if self.noise_seed else how

    def to_json(self) -> dict[str, Any]:
        """Return the settings as plain data that `DiffusionConfig(**data)` reads back."""
        return asdict(self)
