"""Patches of an image that know nothing of each other, and the density of their latents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from invglow.flows.layout import FeatureLayout
from invglow.flows.prior import AffinePrior, ElementwiseNormal

__all__ = ["PatchLayout", "PatchNormal"]


@dataclass(frozen=True)
class PatchLayout(FeatureLayout):
    """Cut features into square patches that do not overlap, row by row: (B, C, H, W) -> (B P, C, side, side).

    Cutting squeezed features into patches is squeezing patches of twice the side.

    Attributes:
        side: of a patch.
        rows: patches below each other.
        columns: patches beside each other.
    """

    side: int
    rows: int
    columns: int

    @property
    def count(self) -> int:
        """How many patches P an image has."""
        return self.rows * self.columns

    def enter(self, features: Tensor) -> Tensor:
        # Channels come last in memory all the way, as the convolutions want them.
        pixels = features.permute(0, 2, 3, 1)
        grid = pixels.reshape(len(pixels), self.rows, self.side, self.columns, self.side, -1)
        patches = grid.permute(0, 1, 3, 2, 4, 5).reshape(-1, self.side, self.side, features.shape[1])
        return patches.permute(0, 3, 1, 2)

    def leave(self, rows: Tensor) -> Tensor:
        pixels = rows.permute(0, 2, 3, 1)
        grid = pixels.reshape(-1, self.rows, self.columns, self.side, self.side, rows.shape[1])
        images = grid.permute(0, 1, 3, 2, 4, 5).reshape(
            -1, self.rows * self.side, self.columns * self.side, rows.shape[1]
        )
        return images.permute(0, 3, 1, 2)


class PatchNormal(AffinePrior):
    """The same independent normals for the latent of every patch.

    Args:
        shape: shape (C, side, side) of the latent of one patch.
        layout: of the patches in the latent of an image.

    References:
        Schirrmeister et al. (2020), the Glow on local patches; docs/architectures.md, equation 4.
    """

    def __init__(self, shape: Sequence[int], layout: PatchLayout) -> None:
        super().__init__()
        self.patch = ElementwiseNormal(shape)
        self.layout = layout

    @property
    def latent_shape(self) -> tuple[int, ...]:
        channels, side, _ = self.patch.latent_shape
        return channels, self.layout.rows * side, self.layout.columns * side

    def fit(self, latent: Tensor, minimal_std: float = 1e-6) -> None:
        self.patch.fit(self.layout.enter(latent), minimal_std)

    def log_prob(self, latent: Tensor) -> Tensor:
        return self.layout.per_image(self.patch.log_prob(self.layout.enter(latent)), len(latent))

    def sample(self, n: int, temperature: float = 1.0, generator: torch.Generator | None = None) -> Tensor:
        return self.layout.leave(self.patch.sample(n * self.layout.count, temperature, generator))

    def standardize(self, latent: Tensor) -> Tensor:
        return self.layout.leave(self.patch.standardize(self.layout.enter(latent)))

    def restore(self, standard: Tensor) -> Tensor:
        return self.layout.leave(self.patch.restore(self.layout.enter(standard)))
