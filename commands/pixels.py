"""Pixels of image sets as one array, for calculations that need no model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from commands.common import load_images

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["middle", "pixels_of"]


def pixels_of(spec: str, split: str = "test", limit: int | None = None) -> NDArray[np.uint8]:
    """Return the images of a set as models are shown them, uint8 (N, H, W, C).

    Raises:
        ValueError: there is no such set.
        FileNotFoundError: it is not at hand.
    """
    images = load_images(spec, split)
    if limit is not None:
        images = images.limited(limit)
    found: NDArray[np.uint8] = images.batch(range(len(images))).permute(0, 2, 3, 1).contiguous().numpy()
    return found


def middle(images: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Cut squares out of the middle of images (N, H, W, C); smaller images stay as they are.

    Raises:
        ValueError: the size is not positive.
    """
    if size < 1:
        raise ValueError(f"The image size must be at least 1 pixel, got {size}.")
    top, left = (max(0, side - size) // 2 for side in images.shape[1:3])
    return images[:, top : top + size, left : left + size]
