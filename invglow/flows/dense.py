"""All features of a scale as one vector, for fully connected steps."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from invglow.flows.layout import FeatureLayout

__all__ = ["FlatLayout"]


@dataclass(frozen=True)
class FlatLayout(FeatureLayout):
    """Flatten features by channel, row and column: (B, C, H, W) -> (B, C H W, 1, 1).

    Attributes:
        shape: shape (C, H, W) of the features of one image.

    References:
        Schirrmeister et al. (2020), the fully connected Glow; docs/architectures.md, equation 5.
    """

    shape: tuple[int, int, int]

    def enter(self, features: Tensor) -> Tensor:
        return features.flatten(1)[:, :, None, None]

    def leave(self, rows: Tensor) -> Tensor:
        return rows.reshape(-1, *self.shape)
