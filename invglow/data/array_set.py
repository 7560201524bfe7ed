"""`array:PATH`: images that already are an array."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from invglow.data.arrays import open_array, open_images
from invglow.data.image_set import ImageSet
from invglow.data.request import SetRequest
from invglow.data.resize import file_key
from invglow.files import replacing

__all__ = ["load_array"]


def load_array(request: SetRequest, path: Path) -> ImageSet:
    """Read uint8 (N, H, W, C) images from a `.npy` or `.npz` file, or a folder that holds SPLIT.npy.

    Labels are read from NAME_labels.npy beside NAME.npy, or the array `labels` or `SPLIT_labels` of a `.npz`.
    A single `.npy` file is the same for both splits. Arrays keep their size, whatever size was asked for.
    """
    if path.is_dir():
        path = _split_file(request, path)
    elif not path.is_file():
        raise request.missing(path, "there is neither a file nor a folder; check the path")
    images_file, labels_file = _unpacked(request, path) if path.suffix == ".npz" else (path, _beside(path))
    images = open_images(images_file)
    labels = None if labels_file is None else _labels(labels_file, len(images))
    return request.answer(images, labels)


def _split_file(request: SetRequest, folder: Path) -> Path:
    for path in (folder / f"{request.split}.npy", folder / f"{request.split}.npz"):
        if path.is_file():
            return path
    others = sorted(path.name for path in folder.glob("*.np[yz]") if not path.stem.endswith("_labels"))
    has = f"the folder has {', '.join(others)}" if others else "the folder has no array"
    raise request.missing(folder / f"{request.split}.npy", f"{has}; choose another split or name a file")


def _beside(path: Path) -> Path | None:
    labels = path.with_name(f"{path.stem}_labels.npy")
    return labels if labels.is_file() else None


def _labels(path: Path, count: int) -> NDArray[np.int64]:
    labels = open_array(path)
    if labels.shape != (count,) or labels.dtype.kind not in "iu":
        raise ValueError(
            f"{path} should hold {count} whole numbers, got {labels.dtype} of shape {labels.shape}."
        )
    return np.asarray(labels).astype(np.int64)


def _unpacked(request: SetRequest, path: Path) -> tuple[Path, Path | None]:
    """Copy the members of an archive out to the cache, once, so that they can be memory-mapped."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]
            labels = next((name for name in (f"{request.split}_labels", "labels") if name in members), None)
            images = _images_member(request, path, [name for name in members if not name.endswith("labels")])
            key = file_key(path.stem, path)
            found = [
                None if n is None else _copied(archive, n, request.cache / f"{key}-{n}.npy")
                for n in (images, labels)
            ]
    except (zipfile.BadZipFile, EOFError) as error:
        raise ValueError(f"{path} is truncated or not an .npz file; make it anew.") from error
    assert found[0] is not None
    return found[0], found[1]


def _images_member(request: SetRequest, path: Path, members: list[str]) -> str:
    named = [name for name in (request.split, f"{request.split}_images", "images") if name in members]
    if not named and len(members) != 1:
        raise ValueError(
            f"{path} should hold one array of images, or one called {request.split} or images; it holds "
            f"{', '.join(members) or 'none'}."
        )
    return (named or members)[0]


def _copied(archive: zipfile.ZipFile, name: str, path: Path) -> Path:
    if not path.is_file():
        with (
            archive.open(f"{name}.npy") as source,
            replacing(path) as temporary,
            temporary.open("wb") as target,
        ):
            shutil.copyfileobj(source, target, 1 << 20)
    return path
