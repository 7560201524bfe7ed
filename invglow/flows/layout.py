"""How the steps of a scale see its features: as an image, as patches, or as one vector."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor

__all__ = ["FeatureLayout"]


class FeatureLayout(ABC):
    """A rearrangement of features that loses nothing, so that its log-determinant is zero."""

    @abstractmethod
    def enter(self, features: Tensor) -> Tensor:
        """Rearrange (B, C, H, W) for the steps; an image may become several rows, which stay together."""

    @abstractmethod
    def leave(self, rows: Tensor) -> Tensor:
        """Undo `enter`."""

    @staticmethod
    def per_image(values: Tensor, images: int) -> Tensor:
        """Sum numbers of rows over the rows of each image: (images,)."""
        return values.view(images, -1).sum(dim=1)
