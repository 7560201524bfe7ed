"""SVHN, cropped house numbers, read from its published .mat files."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from invglow.data.download import fetch
from invglow.data.image_set import ImageSet
from invglow.data.request import SetRequest
from invglow.data.resize import at_size, file_key

__all__ = ["load_svhn"]


def load_svhn(request: SetRequest) -> ImageSet:
    """Read `svhn`: 73,257 / 26,032 colour images, 32x32, of digits 0-9.

    References:
        Reading digits in natural images with unsupervised feature learning (Netzer et al., 2011).
    """
    name = f"{request.split}_32x32.mat"
    places = (request.folder / "svhn" / name, request.folder / name)
    if request.download and not any(path.is_file() for path in places):
        folder = places[0].parent
        fetch("svhn", folder, lambda datasets: datasets.SVHN(folder, split=request.split, download=True))
    path = next((path for path in places if path.is_file()), None)
    if path is None:
        raise request.missing(
            places[0], f"add --download, or put {name} from ufldl.stanford.edu/housenumbers there"
        )
    images, labels = _read(path)
    key = file_key(f"svhn-{request.split}", path)
    return request.answer(at_size(images, request.image_size, request.cache, key), labels, flips=False)


def _read(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    damaged = (MatReadError, ValueError, TypeError, LookupError, OSError, NotImplementedError, zlib.error)
    try:
        found = loadmat(path, variable_names=["X", "y"])
        images, labels = found["X"], found["y"].reshape(-1).astype(np.int64)
    except damaged as error:
        raise ValueError(f"{path} is truncated or not a file of SVHN: fetch it again.") from error
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[2:] != (3, len(labels)):
        raise ValueError(
            f"{path} should hold X, uint8 32 x 32 x 3 x N, and y; got {images.dtype} {images.shape}."
        )
    return np.ascontiguousarray(images.transpose(3, 0, 1, 2)), labels % 10  # ten stands for the digit zero
