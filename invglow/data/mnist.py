"""MNIST, FashionMNIST and KMNIST, read from their published idx files."""

from __future__ import annotations

import numpy as np

from invglow.data.download import fetch
from invglow.data.idx import find_idx, pad, read_idx
from invglow.data.image_set import ImageSet
from invglow.data.request import SetRequest
from invglow.data.resize import at_size, file_key

__all__ = ["load_mnist"]

# Set name -> torchvision's class, which is also the name of its folder.
_CLASSES = {"mnist": "MNIST", "fashion-mnist": "FashionMNIST", "kmnist": "KMNIST"}


def load_mnist(request: SetRequest) -> ImageSet:
    """Read `mnist`, `fashion-mnist` or `kmnist`: 60,000 / 10,000 grey images, 28x28, zero-padded to 32x32.

    Other sizes are resized from the padded images.

    References:
        Gradient-based learning applied to document recognition (LeCun et al., 1998); Fashion-MNIST (Xiao et
        al., 2017); Deep learning for classical Japanese literature (Clanuwat et al., 2018).
    """
    name = _CLASSES[request.spec]
    folder = request.folder / name / "raw"
    stem = "train" if request.split == "train" else "t10k"
    files = (f"{stem}-images-idx3-ubyte", f"{stem}-labels-idx1-ubyte")
    if request.download and not all(find_idx(folder, file) for file in files):
        fetch(
            request.spec,
            request.folder,
            lambda datasets: getattr(datasets, name)(request.folder, download=True),
        )
    paths = [find_idx(folder, file) for file in files]
    if paths[0] is None:
        raise request.missing(folder / files[0], "add --download, or put the idx file (plain or .gz) there")
    key = file_key(f"{request.spec}-{request.split}", paths[0])
    images = at_size(pad(read_idx(paths[0])), request.image_size, request.cache, key)
    labels = None if paths[1] is None else read_idx(paths[1]).astype(np.int64)
    return request.answer(images, labels, flips=request.spec == "fashion-mnist")
