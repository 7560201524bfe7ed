"""What every source of a general set offers: a number of images, and blocks of them in random order."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from invglow.data.permutation import permuted

__all__ = ["BLOCK", "IMAGES_FILE", "ORIGIN", "Block", "BlockSource", "GeneralSource"]

# The array in the folder of a general set.
IMAGES_FILE = "images.npy"

# Images are copied in blocks of this many neighbours: random order between blocks, fast reading within.
BLOCK = 64

# Where one image of a general set came from: the number of its source, the number of the image or picture in
# that source, and the box of the picture it was cut from (all zero where it is a whole image).
ORIGIN = np.dtype(
    [("source", "<u2"), ("item", "<i8"), ("left", "<i4"), ("top", "<i4"), ("right", "<i4"), ("bottom", "<i4")]
)


class Block(NamedTuple):
    """Images uint8 (n, size, size, 3) and their origins (n,) of dtype `ORIGIN`."""

    images: NDArray[np.uint8]
    origins: NDArray[Any]


class GeneralSource(ABC):
    """Something that a general set can be made of.

    Attributes:
        kind: what it is, in words.
        path: where it is.
        number: its place among the sources, which origins carry.
    """

    kind: str

    def __init__(self, path: Path, number: int) -> None:
        self.path, self.number = path, number

    @abstractmethod
    def count(self) -> int:
        """Return how many images it has to give."""

    @abstractmethod
    def read(self, wanted: int, seed: int) -> Iterator[Block]:
        """Yield `wanted` images (at most `count()`), `BLOCK` at a time or fewer, chosen by the seed."""

    def report(self) -> dict[str, Any]:
        """Return what the general set's meta file says about this source; called when all is read."""
        return {"kind": self.kind, "path": str(self.path.resolve()), "number": self.number}

    def names(self) -> list[str] | None:
        """Return the names of the pictures that items count, or None where they count images of one file."""
        return None

    def origins(self, items: NDArray[np.int64]) -> NDArray[Any]:
        """Return the origins of whole images."""
        found = np.zeros(len(items), dtype=ORIGIN)
        found["source"], found["item"] = self.number, items
        return found


class BlockSource(GeneralSource):
    """A source whose images lie one after another in a file: read in random blocks of neighbours."""

    def __init__(self, path: Path, number: int, excluded: NDArray[np.int64] | None = None) -> None:
        super().__init__(path, number)
        self.excluded = np.zeros(0, dtype=np.int64) if excluded is None else np.unique(excluded)

    @abstractmethod
    def total(self) -> int:
        """Return how many images the file has."""

    @abstractmethod
    def images(self, start: int, stop: int) -> NDArray[np.uint8]:
        """Return the images start..stop-1 of the file, (n, 32, 32, 3)."""

    def count(self) -> int:
        return self.total() - len(self.excluded)

    def read(self, wanted: int, seed: int) -> Iterator[Block]:
        total = self.total()
        for place in range(blocks := -(-total // BLOCK)):
            if wanted <= 0:
                return
            start = BLOCK * int(permuted([place], blocks, (seed, self.number))[0])
            items = np.arange(start, min(start + BLOCK, total), dtype=np.int64)
            kept = items[~np.isin(items, self.excluded)][:wanted]
            wanted -= len(kept)
            yield Block(self.images(start, start + len(items))[kept - start], self.origins(kept))

    def report(self) -> dict[str, Any]:
        return super().report() | {"images": self.total(), "excluded": len(self.excluded)}
