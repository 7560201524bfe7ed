"""`folder:PATH`: any folder of pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from invglow.data.image_set import ImageSet
from invglow.data.picture_store import PictureStore
from invglow.data.pictures import find_pictures
from invglow.data.request import SetRequest

__all__ = ["answer_pictures", "class_labels", "load_folder"]


def load_folder(request: SetRequest, folder: Path) -> ImageSet:
    """Read all pictures under `folder`, or under its subfolder for the split (train; test or val).

    If every picture lies in a subfolder, the names of the first level of subfolders are the classes.
    """
    root = _split_folder(request, folder)
    paths = find_pictures(root)
    return answer_pictures(request, paths, root, labels=class_labels(paths, root))


def answer_pictures(
    request: SetRequest,
    paths: Sequence[Path],
    root: Path,
    *,
    labels: NDArray[np.int64] | None = None,
    channels: int = 3,
    flips: bool = True,
) -> ImageSet:
    """Decode the pictures (once) and return those that can be read as the set that was asked for."""
    name = f"{request.spec.partition(':')[0]}-{request.split}"
    store = PictureStore(paths, root, request.image_size, channels, request.cache, name)
    images, kept = store.open()
    names = [str(paths[index]) for index in kept]
    return request.answer(images, None if labels is None else labels[kept], flips=flips, paths=names)


def class_labels(paths: Sequence[Path], root: Path) -> NDArray[np.int64] | None:
    """Return for each picture the rank of its first-level subfolder, or None if some picture is in none."""
    parts = [path.relative_to(root).parts for path in paths]
    if any(len(part) == 1 for part in parts):
        return None
    rank = {name: index for index, name in enumerate(sorted({part[0] for part in parts}))}
    return np.array([rank[part[0]] for part in parts], dtype=np.int64)


def _split_folder(request: SetRequest, folder: Path) -> Path:
    names = {"train": ("train",), "test": ("test", "val")}
    if not any((folder / name).is_dir() for name in ("train", "test", "val")):
        return folder
    for name in names[request.split]:
        if (folder / name).is_dir():
            return folder / name
    raise request.missing(folder / request.split, "the folder has other splits, but not this one")
