"""Images stored as .npy: opened memory-mapped and checked, read in any order, written block by block."""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import ArrayLike, NDArray

from invglow.files import replacing

__all__ = [
    "ArrayWriter",
    "blocks",
    "check_images",
    "gather",
    "open_array",
    "open_images",
    "release",
    "writing_array",
]

_HEADER_BYTES = 256
_BLOCK_BYTES = 1 << 23


def open_array(path: Path) -> NDArray[np.generic]:
    """Open a `.npy` file memory-mapped and read-only, never executing a pickle.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is truncated, is not a `.npy` file, or holds Python objects.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not a file: an array (.npy) was expected there.")
    with path.open("rb") as file:
        shape, dtype, offset = _read_header(file, path)
    if dtype.hasobject:
        raise ValueError(f"{path} holds Python objects (a pickle), which are never read: save a plain array.")
    needed = offset + dtype.itemsize * int(np.prod(shape, dtype=np.int64))
    if (size := path.stat().st_size) < needed:
        raise ValueError(f"{path} is truncated: it should have {needed} bytes and has {size}; make it anew.")
    if needed == offset:
        return np.zeros(shape, dtype)
    array: NDArray[np.generic] = np.load(path, mmap_mode="r", allow_pickle=False)
    return array


def open_images(path: Path) -> NDArray[np.uint8]:
    """Open a `.npy` file of images, memory-mapped; `open_array` and `check_images` say what is refused."""
    return check_images(open_array(path), str(path))


def check_images(array: NDArray[np.generic], name: str) -> NDArray[np.uint8]:
    """Return `array` if it holds images: uint8 (N, H, W, C), N >= 1, C of 1 or 3.

    Raises:
        ValueError: it does not; the sentence says what came and how to mend it.
    """
    wanted = "images are uint8 of shape (N, height, width, channels) with 1 or 3 channels"
    if array.dtype != np.uint8:
        raise ValueError(f"{name} has dtype {array.dtype}, but {wanted}: convert it to 0..255.")
    if array.ndim != 4:
        mend = "add a last axis with array[..., None]" if array.ndim == 3 else "reshape it"
        raise ValueError(f"{name} has shape {array.shape}, but {wanted}: {mend}.")
    if array.shape[-1] not in (1, 3):
        channels_first = array.shape[1] in (1, 3)
        mend = "move the channels last, array.transpose(0, 2, 3, 1)" if channels_first else "convert it"
        raise ValueError(f"{name} has shape {array.shape}, but {wanted}: {mend}.")
    if 0 in array.shape:
        raise ValueError(f"{name} has shape {array.shape}: it holds no image.")
    return array  # type: ignore[return-value]  # the dtype was just checked, which mypy cannot see


def gather(images: NDArray[np.uint8], indices: ArrayLike) -> NDArray[np.uint8]:
    """Copy the images at `indices`, in that order, into a new array (B, H, W, C).

    A memory-mapped array is read in ascending order, and its pages are handed back afterwards: they stay in
    the system's file cache but not in this process's resident memory, which random access would else fill.
    """
    wanted = np.asarray(indices, dtype=np.int64)
    if not isinstance(images, np.memmap):
        return images[wanted]
    order = np.argsort(wanted, kind="stable")
    out = np.empty((len(wanted), *images.shape[1:]), dtype=images.dtype)
    out[order] = np.asarray(images)[wanted[order]]
    release(images)
    return out


def blocks(images: NDArray[np.uint8], block_bytes: int = _BLOCK_BYTES) -> Iterator[NDArray[np.uint8]]:
    """Yield the images in consecutive blocks of about `block_bytes`, in constant memory."""
    step = max(1, block_bytes // max(1, images[0].nbytes)) if len(images) else 1
    for start in range(0, len(images), step):
        yield images[start : start + step]
        release(images)


def release(images: NDArray[np.uint8]) -> None:
    """Drop the pages of a memory-mapped array from resident memory (no-op for other arrays and systems)."""
    mapping = getattr(images, "_mmap", None)
    if mapping is not None and hasattr(mmap, "MADV_DONTNEED"):
        mapping.madvise(mmap.MADV_DONTNEED)


class ArrayWriter:
    """Writes a `.npy` file one block after another; the number of rows need not be known before."""

    def __init__(self, file: BinaryIO, row_shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self._file, self._row_shape, self._dtype = file, row_shape, dtype
        self.rows = 0
        self._write_header()

    def append(self, rows: NDArray[Any]) -> None:
        """Add rows (n, *row_shape) at the end of the file; plain file writes, so no page stays in memory."""
        if rows.dtype != self._dtype or rows.shape[1:] != self._row_shape:
            raise ValueError(
                f"Rows must be {self._dtype} {self._row_shape}, got {rows.dtype} {rows.shape[1:]}."
            )
        self._file.write(rows.tobytes())
        self.rows += len(rows)

    def finish(self) -> None:
        """Write the header again, now with the number of rows."""
        self._file.seek(0)
        self._write_header()

    def _write_header(self) -> None:
        """Write a version 1.0 header of fixed length, so that it can be overwritten."""
        shape, descr = (self.rows, *self._row_shape), np.lib.format.dtype_to_descr(self._dtype)
        text = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape}, }}".encode("ascii")
        length = _HEADER_BYTES - 10
        self._file.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", length) + text.ljust(length - 1) + b"\n")


@contextmanager
def writing_array(
    path: Path, row_shape: tuple[int, ...], dtype: np.dtype[Any] | type[np.uint8] = np.uint8
) -> Iterator[ArrayWriter]:
    """Yield an `ArrayWriter` whose file appears at `path` only when the block ends without an error."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        writer = ArrayWriter(file, row_shape, np.dtype(dtype))
        yield writer
        writer.finish()


def _read_header(file: BinaryIO, path: Path) -> tuple[tuple[int, ...], np.dtype[np.generic], int]:
    """Return shape, dtype and the offset of the data."""
    try:
        if np.lib.format.read_magic(file) == (1, 0):
            shape, _, dtype = np.lib.format.read_array_header_1_0(file)
        else:
            shape, _, dtype = np.lib.format.read_array_header_2_0(file)
    except (ValueError, EOFError, SyntaxError) as error:
        raise ValueError(f"{path} is not a whole .npy file: its header is broken; make it anew.") from error
    return shape, dtype, file.tell()
