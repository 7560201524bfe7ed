"""Settings of a VAE as plain data."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from invglow.flows.checks import require_known, require_positive
from models.noise import require_seed

__all__ = ["LIKELIHOODS", "VAEConfig"]

LIKELIHOODS = ("logistic", "gaussian")
_HALVINGS = 3


@dataclass(frozen=True)
class VAEConfig:
    """Settings of a convolutional VAE.

    Args:
        image_shape: (channels, height, width); the sides must be divisible by 8.
        latent_dimensions: of the code z.
        hidden_channels: of the first convolution; doubled where the image is halved.
        likelihood: of a pixel given z: "logistic" (discretised) or "gaussian" (of the dequantised pixel).
        samples: codes drawn for each image.
        importance_weighted: take the logarithm of the mean weight of the codes (a tighter bound) instead of
            the mean of its logarithm (the ELBO).
        noise_seed: of the codes' noise, which else depends on an image's index alone.

    Raises:
        ValueError: if a size is not positive, a side not divisible or the likelihood unknown.
    """

    image_shape: tuple[int, int, int] = (3, 32, 32)
    latent_dimensions: int = 64
    hidden_channels: int = 32
    likelihood: str = "logistic"
    samples: int = 1
    importance_weighted: bool = False
    noise_seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "image_shape", tuple(self.image_shape))
        require_positive(self, "latent_dimensions", "hidden_channels", "samples")
        _, height, width = self.image_shape
        factor = 2**_HALVINGS
        if height % factor or width % factor:
            raise ValueError(
                f"A VAE halves images {_HALVINGS} times, so their sides must be divisible by {factor}, got "
                f"{height}x{width}: choose another image size."
            )
        require_seed(self.noise_seed)
        require_known("likelihood", self.likelihood, LIKELIHOODS)

    @property
    def evaluated(self) -> str:
        """What `log_prob` evaluates, in words."""
        codes = f"{self.samples} code{'s' * (self.samples > 1)}"
        how = f"importance-weighted, {codes}" if self.importance_weighted else codes
        return f"{how}, noise seed {self.noise_seed}" if self.noise_seed else how

    def to_json(self) -> dict[str, Any]:
        """Return the settings as plain data that `VAEConfig(**data)` reads back."""
        return asdict(self)
