"""Cut squares out of larger images: from the centre, or at random places that a generator draws."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

__all__ = ["cut_squares"]


def cut_squares(
    images: NDArray[np.uint8], side: int, generator: torch.Generator | None = None
) -> NDArray[np.uint8]:
    """Return one square of each image, uint8 (B, side, side, C).

    Args:
        images: uint8 (B, H, W, C), H and W at least `side`.
        side: height and width of the squares.
        generator: draws the places of the whole batch, all equally likely; None cuts from the centre.
    """
    count, height, width, _ = images.shape
    top = _places(count, height - side, generator)
    left = _places(count, width - side, generator)
    # Row by row: indexing whole squares at once would copy pixel by pixel.
    return np.stack(
        [image[y : y + side, x : x + side] for image, y, x in zip(images, top, left, strict=True)]
    )


def _places(count: int, room: int, generator: torch.Generator | None) -> list[int]:
    if generator is None:
        return [room // 2] * count
    places: list[int] = torch.randint(0, room + 1, (count,), generator=generator).tolist()
    return places
