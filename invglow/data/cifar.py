"""CIFAR-10 and CIFAR-100, read from their published batch files."""

from __future__ import annotations

import numpy as np

from invglow.data.batch_files import read_batch
from invglow.data.download import fetch_archive
from invglow.data.image_set import ImageSet
from invglow.data.request import SetRequest
from invglow.data.resize import at_size, file_key

__all__ = ["load_cifar"]

_FILES = {
    ("cifar10", "train"): [f"data_batch_{number}" for number in range(1, 6)],
    ("cifar10", "test"): ["test_batch"],
    ("cifar100", "train"): ["train"],
    ("cifar100", "test"): ["test"],
}


def load_cifar(request: SetRequest) -> ImageSet:
    """Read `cifar10` (50,000 / 10,000 images of 10 classes) or `cifar100` (100 fine classes), 32x32 colour.

    References:
        Learning multiple layers of features from tiny images (Krizhevsky, 2009).
    """
    ten = request.spec == "cifar10"
    folder = request.folder / ("cifar-10-batches-py" if ten else "cifar-100-python")
    paths = [folder / name for name in _FILES[request.spec, request.split]]
    if request.download and not all(path.is_file() for path in paths):
        fetch_archive(request.spec, request.folder, "CIFAR10" if ten else "CIFAR100")
    for path in paths:
        if not path.is_file():
            archive = "cifar-10-python.tar.gz" if ten else "cifar-100-python.tar.gz"
            raise request.missing(
                path, f"add --download, or unpack {archive} from https://www.cs.toronto.edu/~kriz/ there"
            )
    batches = [read_batch(path, "labels" if ten else "fine_labels") for path in paths]
    images = np.concatenate([np.ascontiguousarray(batch) for batch, _ in batches])
    key = file_key(f"{request.spec}-{request.split}", *paths)
    return request.answer(
        at_size(images, request.image_size, request.cache, key),
        np.concatenate([labels for _, labels in batches]),
    )
