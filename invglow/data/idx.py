"""The idx format of MNIST and its relatives, plain or gzipped."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

__all__ = ["find_idx", "pad", "read_idx"]

_UINT8 = 0x08


def find_idx(folder: Path, stem: str) -> Path | None:
    """Return `folder/stem` or `folder/stem.gz`, whichever exists."""
    return next((path for path in (folder / stem, folder / f"{stem}.gz") if path.is_file()), None)


def read_idx(path: Path) -> NDArray[np.uint8]:
    """Read a uint8 array of any number of dimensions.

    Raises:
        ValueError: the file is truncated or is not such a file.

    References:
        The MNIST database of handwritten digits (LeCun, Cortes and Burges), "the IDX file format".
    """
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{path} is truncated or damaged: fetch it again.") from error
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] != _UINT8:
        raise ValueError(f"{path} is not an idx file of bytes: fetch it again.")
    start = 4 + 4 * content[3]
    shape = tuple(int(side) for side in np.frombuffer(content[4:start], dtype=">u4"))
    if len(content) - start != int(np.prod(shape)):
        raise ValueError(f"{path} should hold {shape} bytes but has {len(content) - start}: fetch it again.")
    return np.frombuffer(content, dtype=np.uint8, offset=start).reshape(shape)


def pad(images: NDArray[np.uint8], side: int = 32) -> NDArray[np.uint8]:
    """Zero-pad (N, H, W) images evenly to (N, side, side, 1), as is usual for 28x28 sets; never resized."""
    rows, columns = side - images.shape[1], side - images.shape[2]
    margins = ((0, 0), (rows // 2, rows - rows // 2), (columns // 2, columns - columns // 2))
    return np.pad(images, margins)[..., None]
