"""The small sets that come with the library: `demo-fashion-mnist` and `demo-mnist`."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from invglow.data.idx import pad
from invglow.data.image_set import ImageSet
from invglow.data.request import SetRequest
from invglow.data.resize import at_size, file_key

__all__ = ["load_embedded"]

_FOLDER = Path(__file__).parent / "embedded"


def load_embedded(request: SetRequest) -> ImageSet:
    """Read an embedded set: 28x28 grey, zero-padded to 32x32; licences in `embedded/LICENSES.md`.

    Raises:
        ValueError: `demo-mnist` was asked for its training images; it has none.
    """
    path = _FOLDER / f"{request.spec}-{request.split}.npz"
    if not path.is_file():
        raise ValueError(
            f"{request.spec} has test images only, no {request.split} split: it is there to be told apart "
            "from demo-fashion-mnist; train on mnist (--download) instead."
        )
    with np.load(path, allow_pickle=False) as archive:
        images, labels = pad(archive["images"]), archive["labels"].astype(np.int64)
    images = at_size(images, request.image_size, request.cache, file_key(path.stem, path))
    return request.answer(images, labels, flips=request.spec != "demo-mnist")
