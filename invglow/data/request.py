"""`SetRequest`: what was asked of the registry, and what the sets have in common when they answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from invglow.data.image_set import ImageSet

__all__ = ["SetRequest"]


@dataclass(frozen=True)
class SetRequest:
    """One call of `load_image_set`; the fields are its arguments."""

    spec: str
    split: str
    image_size: int
    grey: bool
    folder: Path
    download: bool

    @property
    def cache(self) -> Path:
        """Where decoded and resized copies are kept."""
        return self.folder / "cache"

    def answer(
        self,
        images: NDArray[np.uint8],
        labels: NDArray[np.int64] | None = None,
        *,
        flips: bool = True,
        paths: Sequence[str] | None = None,
        crop: int | None = None,
        colour: bool = False,
    ) -> ImageSet:
        """Return the images as the set that was asked for."""
        from invglow.data.image_set import ImageSet  # torch comes with it, and names alone need none

        found = None if paths is None else tuple(paths)
        return ImageSet(self.spec, self.split, images, labels, self.grey, flips, found, crop, colour)

    def missing(self, where: Path | str, how: str) -> FileNotFoundError:
        """Return the error that says where the set was looked for and how to get it."""
        return FileNotFoundError(f"The set {self.spec} ({self.split}) was looked for at {where}: {how}.")
