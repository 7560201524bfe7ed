"""The density of a latent for each of several classes: an elementwise affine map each, then a normal."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from invglow.flows.drawing import device_of, standard_noise
from invglow.flows.prior import ElementwiseNormal, LatentPrior

__all__ = ["ClassNormals"]


class ClassNormals(LatentPrior):
    """For each class y, independent normals: `exp(log_scale[y]) * (latent + loc[y])` is standard normal.

    Args:
        classes: how many there are.
        shape: shape (C, H, W) of one latent.
    """

    def __init__(self, classes: int, shape: Sequence[int]) -> None:
        super().__init__()
        self.loc = nn.Parameter(torch.zeros(classes, *shape))
        self.log_scale = nn.Parameter(torch.zeros(classes, *shape))

    @classmethod
    def repeating(cls, prior: LatentPrior, classes: int) -> ClassNormals:
        """Return a prior whose classes all have the density of an `ElementwiseNormal`.

        Raises:
            ValueError: if it is something else, such as a prior that has classes already.
        """
        if type(prior) is not ElementwiseNormal:
            raise ValueError(
                f"Classes can be given to elementwise normal priors only, got {type(prior).__name__}: start "
                "from a convolutional or fully connected Glow without conditional priors or classes."
            )
        repeated = cls(classes, prior.latent_shape).to(prior.loc)
        with torch.no_grad():
            repeated.loc.copy_(prior.loc)
            repeated.log_scale.copy_(prior.log_scale)
        return repeated

    @property
    def classes(self) -> int:
        """How many classes there are."""
        return len(self.loc)

    @property
    def latent_shape(self) -> tuple[int, ...]:
        return tuple(self.loc.shape[1:])

    @torch.no_grad()
    def fit(self, latent: Tensor, minimal_std: float = 1e-6) -> None:
        std, mean = torch.std_mean(latent, dim=0, correction=0)
        self.loc.copy_((-mean).expand_as(self.loc))
        self.log_scale.copy_((-std.where(std >= minimal_std, 1.0).log()).expand_as(self.log_scale))

    def class_log_probs(self, latent: Tensor) -> Tensor:
        """Return the log-density of each latent (B, C, H, W) for each class, (B, classes), in nats."""
        standard = (latent[:, None] + self.loc) * self.log_scale.exp()
        constant = self.log_scale.sum(dim=(1, 2, 3)) - 0.5 * math.log(2 * math.pi) * self.loc[0].numel()
        return constant - 0.5 * standard.square().sum(dim=(2, 3, 4))

    def log_prob(self, latent: Tensor) -> Tensor:
        return self.class_log_probs(latent).logsumexp(dim=1) - math.log(self.classes)

    def sample(self, n: int, temperature: float = 1.0, generator: torch.Generator | None = None) -> Tensor:
        labels = torch.randint(self.classes, (n,), generator=generator, device=device_of(generator))
        return self.sample_classes(labels.to(self.loc.device), temperature, generator)

    def sample_classes(
        self, labels: Tensor, temperature: float = 1.0, generator: torch.Generator | None = None
    ) -> Tensor:
        """Draw a latent (n, C, H, W) of each of the classes (n,), as `sample` does."""
        noise = standard_noise((len(labels), *self.latent_shape), self.loc, generator)
        return temperature * noise * (-self.log_scale[labels]).exp() - self.loc[labels]
