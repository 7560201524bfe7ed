"""Decoding many pictures in threads, in numbered parts from which an interrupted decoding goes on."""

from __future__ import annotations

import itertools
import os
import shutil
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from invglow.data.arrays import ArrayWriter
from invglow.files import replacing

__all__ = ["DecodedParts", "decoded"]

Item = TypeVar("Item")

_CHUNK = 256
# What reading a part raises that is missing, cut short or has changed bytes.
_UNUSABLE = (
    OSError,
    ValueError,
    KeyError,
    EOFError,
    RuntimeError,
    struct.error,
    zlib.error,
    zipfile.BadZipFile,
)


def decoded(
    items: Iterable[Item],
    decode: Callable[[Item], NDArray[np.uint8] | None],
    *,
    total: int,
    what: str,
    done: int = 0,
) -> Iterator[list[NDArray[np.uint8] | None]]:
    """Yield decoded items, some at a time and in their order, under a progress bar; None is unreadable.

    Args:
        items: those that are left to decode.
        decode: called in several threads.
        total: items in all, for the bar.
        what: to call them there.
        done: items that were decoded before.
    """
    remaining = iter(items)
    with (
        ThreadPoolExecutor(os.cpu_count()) as pool,
        tqdm(total=total, initial=done, desc=f"decoding {what}", unit="img", disable=None) as bar,
    ):
        while chunk := list(islice(remaining, _CHUNK)):
            yield list(pool.map(decode, chunk))
            bar.update(len(chunk))


class DecodedParts:
    """Decoded pictures in files `part-NUMBER.npz` of one folder, whose name must say of which pictures.

    Args:
        folder: for the parts; made with the first of them. Parts of an earlier, interrupted run are taken
            over, up to one that is missing or damaged.
        row_shape: (H, W, C) of a picture.
    """

    def __init__(self, folder: Path, row_shape: tuple[int, int, int]) -> None:
        self._folder, self._row_shape = folder, row_shape
        self._kept: list[NDArray[np.bool_]] = list(self._usable())

    def __len__(self) -> int:
        """Pictures so far, readable or not."""
        return sum(map(len, self._kept))

    def add(self, images: Sequence[NDArray[np.uint8] | None]) -> None:
        """Keep the next pictures in a file of their own."""
        readable = [image for image in images if image is not None]
        rows = np.stack(readable) if readable else np.empty((0, *self._row_shape), np.uint8)
        kept = np.array([image is not None for image in images])
        with replacing(self._file(len(self._kept))) as temporary, temporary.open("wb") as file:
            np.savez(file, images=rows, kept=kept)
        self._kept.append(kept)

    def append_to(self, writer: ArrayWriter) -> list[int]:
        """Append all readable pictures, one part at a time; return the places of the others."""
        for number in range(len(self._kept)):
            with np.load(self._file(number), allow_pickle=False) as part:
                writer.append(part["images"])
        return [int(place) for place in np.flatnonzero(~np.concatenate(self._kept))]

    def remove(self) -> None:
        """Remove the folder, once its content is elsewhere."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _file(self, number: int) -> Path:
        return self._folder / f"part-{number:06d}.npz"

    def _usable(self) -> Iterator[NDArray[np.bool_]]:
        for number in itertools.count():
            try:
                # Opened apart from NumPy, which would leave a damaged file open.
                with self._file(number).open("rb") as file, np.load(file, allow_pickle=False) as part:
                    kept, rows = part["kept"], part["images"]
            except _UNUSABLE:  # in the ordinary case the first that is missing
                return
            if kept.dtype != np.bool_ or rows.shape != (np.count_nonzero(kept), *self._row_shape):
                return
            yield kept
