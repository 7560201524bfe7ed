"""Writing pixels as a PNG, whole or not at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from invglow.files import replacing

__all__ = ["require_png", "save_png"]


def require_png(path: Path) -> None:
    """Refuse a name that promises another format than the one that is written.

    Raises:
        ValueError: it does not end in .png, in any case of letters.
    """
    if path.suffix.lower() != ".png":
        raise ValueError(f"Pictures of pixels are written as PNG: name a file that ends in .png, not {path}.")


def save_png(path: Path, pixels: NDArray[np.uint8]) -> Path:
    """Write (height, width) grey or (height, width, 3) colour pixels and return the path.

    Raises:
        ValueError: the name does not end in .png.
    """
    require_png(path)
    with replacing(path) as temporary:
        Image.fromarray(pixels).save(temporary, format="PNG")
    return path
