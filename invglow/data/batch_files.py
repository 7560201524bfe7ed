"""The batch files of CIFAR and ImageNet-32: pickles of {data: N x 3072 uint8, labels: N numbers}."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from invglow.data.restricted_pickle import read_pickle

__all__ = ["batch_paths", "read_batch"]


def read_batch(path: Path, labels: str = "labels") -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return images, a read-only view (N, 32, 32, 3), and the numbers under the key `labels` (N,).

    Raises:
        ValueError: the file is damaged, asks for code to run, or holds something else.
    """
    found = read_pickle(path)
    data = found.get("data") if isinstance(found, dict) else None
    if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.shape[1:] != (3072,):
        raise ValueError(f"{path} should hold a dict with data, uint8 of shape (N, 3072); fetch it again.")
    if len(found.get(labels, ())) != len(data):
        raise ValueError(f"{path} should hold {len(data)} numbers under {labels}; fetch it again.")
    images = data.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return images, np.asarray(found[labels], dtype=np.int64)


def batch_paths(folder: Path, split: str) -> list[Path]:
    """Return the ImageNet-32 batch files of a split that are in `folder`, in the order of their numbers."""
    names = [f"train_data_batch_{number}" for number in range(1, 11)] if split == "train" else ["val_data"]
    return [path for name in names if (path := folder / name).is_file()]
