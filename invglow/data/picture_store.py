"""Decode pictures once into a memory-mapped array; count, name and skip those that cannot be read."""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from invglow.data.arrays import ArrayWriter, open_images, writing_array
from invglow.data.decoded_parts import DecodedParts, decoded
from invglow.data.pictures import UNREADABLE, read_picture
from invglow.data.resize import fit_picture
from invglow.files import replacing

__all__ = ["PictureStore", "write_decoded"]

Item = TypeVar("Item")


@dataclass(frozen=True, eq=False)
class PictureStore:
    """Pictures that are decoded on the first call of `open` and read from the decoded copy afterwards.

    Killed while decoding, the next call goes on with what is left.

    Attributes:
        paths: the pictures; the copy is made anew when a name, size or time of modification changes.
        root: folder that names in messages are relative to.
        size: height and width in pixels of the result.
        channels: 3 for colour, 1 for grey.
        cache: folder for the decoded copy.
        name: what to call these pictures in the progress bar and in the copy's file name.
        exact: refuse pictures of another size instead of resizing them.
    """

    paths: Sequence[Path]
    root: Path
    size: int
    channels: int
    cache: Path
    name: str
    exact: bool = False

    def open(self) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Return images (N, size, size, channels), memory-mapped, and which of `paths` (N,) they are.

        Raises:
            ValueError: no picture can be read, or one has another size than it must have. If only some cannot
                be read, a warning says how many and which.
        """
        path = self.cache / f"{self.name}-{self.size}px-{self.channels}c-{self._key()}.npy"
        record = path.with_suffix(".skipped.json")
        if not path.is_file():
            self._decode(path, record)
        skipped: list[int] = json.loads(record.read_text())["indices"]
        if skipped:
            self._warn(skipped, record)
        return open_images(path), np.setdiff1d(np.arange(len(self.paths)), skipped)

    def _key(self) -> str:
        digest = hashlib.sha256(str(self.root.resolve()).encode())
        for path in self.paths:
            status = path.stat()
            line = f"\n{path.relative_to(self.root)}\0{status.st_size}\0{status.st_mtime_ns}"
            digest.update(os.fsencode(line))
        return digest.hexdigest()[:16]

    def _decode(self, path: Path, record: Path) -> None:
        """Write the record first: where there is an array, there is its record."""
        shape = (self.size, self.size, self.channels)
        parts = DecodedParts(path.with_suffix(".parts"), shape)
        done, total = len(parts), len(self.paths)
        for images in decoded(self.paths[done:], self._read, total=total, what=self.name, done=done):
            parts.add(images)
        with writing_array(path, shape) as writer:
            skipped = parts.append_to(writer)
            if not writer.rows:
                parts.remove()
                raise ValueError(f"None of the {total} pictures in {self.root} can be read.")
            with replacing(record) as temporary:
                temporary.write_text(json.dumps({"indices": skipped, "names": self._names(skipped)}))
        parts.remove()

    def _read(self, path: Path) -> NDArray[np.uint8] | None:
        try:
            picture = read_picture(path, self.channels)
        except UNREADABLE:
            return None
        if self.exact and picture.size != (self.size, self.size):
            raise ValueError(
                f"{path} has {picture.width}x{picture.height} pixels, but all pictures in {self.root} should "
                f"have {self.size}x{self.size}: bring them all to one square size."
            )
        picture = fit_picture(picture, self.size)
        return np.asarray(picture).reshape(self.size, self.size, self.channels)

    def _names(self, indices: Sequence[int]) -> list[str]:
        return [str(self.paths[index].relative_to(self.root)) for index in indices]

    def _warn(self, skipped: Sequence[int], record: Path) -> None:
        names = ", ".join(self._names(skipped[:5]))
        more = f", ... (all of them in {record})" if len(skipped) > 5 else ""
        warnings.warn(
            f"{len(skipped)} of {len(self.paths)} pictures in {self.root} cannot be read and are left out: "
            f"{names}{more}.",
            stacklevel=3,
        )


def write_decoded(
    items: Iterable[Item],
    decode: Callable[[Item], NDArray[np.uint8] | None],
    writer: ArrayWriter,
    *,
    total: int,
    what: str,
) -> list[int]:
    """Decode items in threads and append them; return the places of those that gave None."""
    skipped: list[int] = []
    done = 0
    for found in decoded(items, decode, total=total, what=what):
        skipped += [done + place for place, image in enumerate(found) if image is None]
        if readable := [image for image in found if image is not None]:
            writer.append(np.stack(readable))
        done += len(found)
    return skipped
