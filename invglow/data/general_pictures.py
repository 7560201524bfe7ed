"""A folder of pictures as the source of a general set: random crops at random scales."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from invglow.data.crops import CropSettings, random_crop
from invglow.data.general_source import BLOCK, ORIGIN, Block, GeneralSource
from invglow.data.permutation import permuted
from invglow.data.pictures import UNREADABLE, find_pictures, read_picture

__all__ = ["Pictures"]

_PICTURES_AT_ONCE = 32


class Pictures(GeneralSource):
    """Pictures of any size, each read once and cropped `crops` times.

    A picture that cannot be read is counted and left out; the next ones give its crops.
    """

    kind = "pictures"

    def __init__(self, path: Path, number: int, settings: CropSettings, crops: int = 1) -> None:
        super().__init__(path, number)
        self.settings, self.crops = settings, crops
        self.unreadable: list[int] = []

    @cached_property
    def _paths(self) -> list[Path]:
        return find_pictures(self.path)

    def count(self) -> int:
        return self.crops * len(self._paths)

    def names(self) -> list[str]:
        return [str(path.relative_to(self.path)) for path in self._paths]

    def report(self) -> dict[str, Any]:
        names = [str(self._paths[item].relative_to(self.path)) for item in self.unreadable]
        return super().report() | {"pictures": len(self._paths), "unreadable": names}

    def read(self, wanted: int, seed: int) -> Iterator[Block]:
        owed, last = 0, None
        jobs = self._shares(wanted, seed)
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            while chunk := list(islice(jobs, _PICTURES_AT_ONCE)):
                (item, share), *others = chunk
                chunk = [(item, share + owed), *others]
                owed = 0
                found = pool.map(self._crop, chunk, [seed] * len(chunk))
                for (item, share), block in zip(chunk, found, strict=True):
                    if block is None:
                        owed += share
                    else:
                        last = item
                        yield from _split(block)
        if last is None:
            raise ValueError(f"None of the {len(self._paths)} pictures in {self.path} can be read.")
        if owed and (block := self._crop((last, owed), seed + 1)) is not None:
            yield from _split(block)

    def _shares(self, wanted: int, seed: int) -> Iterator[tuple[int, int]]:
        """Yield (picture, number of crops) in random order, the crops spread evenly."""
        pictures = len(self._paths)
        each, more = divmod(wanted, pictures)
        for place in range(pictures if each else more):
            yield int(permuted([place], pictures, (seed, self.number))[0]), each + (place < more)

    def _crop(self, job: tuple[int, int], seed: int) -> Block | None:
        item, share = job
        try:
            picture = read_picture(self._paths[item], channels=3)
        except UNREADABLE:
            self.unreadable.append(item)
            return None
        rng = np.random.default_rng((seed, self.number, item))
        crops = [random_crop(picture, self.settings, rng) for _ in range(share)]
        origins = np.array([(self.number, item, *box) for _, box in crops], dtype=ORIGIN)
        return Block(np.stack([image for image, _ in crops]), origins)


def _split(block: Block) -> Iterator[Block]:
    for start in range(0, len(block.images), BLOCK):
        yield Block(block.images[start : start + BLOCK], block.origins[start : start + BLOCK])
