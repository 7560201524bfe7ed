"""LSUN, read from its published LMDB folders or from a folder of extracted pictures."""

from __future__ import annotations

import io
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from invglow.data.arrays import ArrayWriter, open_images, writing_array
from invglow.data.folder_set import answer_pictures, class_labels, load_folder
from invglow.data.image_set import ImageSet
from invglow.data.picture_store import write_decoded
from invglow.data.pictures import UNREADABLE, find_pictures
from invglow.data.request import SetRequest
from invglow.data.resize import file_key, fit_picture

__all__ = ["load_lsun"]


def load_lsun(request: SetRequest) -> ImageSet:
    """Read `lsun` from FOLDER/lsun: the LMDB folders of the split, all scenes in one, or else its pictures.

    Training images come from *_train_lmdb; test images from *_val_lmdb (ten scenes of 300 pictures, as in the
    first paper), or if there are none from test_lmdb. Extracted pictures lie in folders of the same names
    without _lmdb, such as bedroom_val, whose ranks are the labels; or in any folder, for both splits.

    References:
        LSUN: construction of a large-scale image dataset using deep learning with humans in the loop (Yu et
        al., 2015).
    """
    home = request.folder / "lsun"
    if not home.is_dir():
        raise request.missing(
            home, "unpack the set's LMDB folders (github.com/fyu/lsun) or its pictures there"
        )
    databases = _databases(home, request.split)
    if not databases:
        if any(home.glob("*_lmdb")):
            raise request.missing(home, "it has LMDB folders, but none of this split")
        return _pictures(request, home)
    key = file_key(f"lsun-{request.split}", *(database / "data.mdb" for database in databases))
    path = request.cache / f"{key}-{request.image_size}px.npy"
    if not path.is_file():
        _copy(databases, path, request.image_size)
    return request.answer(open_images(path))


def _pictures(request: SetRequest, home: Path) -> ImageSet:
    """Read extracted pictures: those of the scenes' folders of the split, or all where there are none."""
    scenes = {split: sorted(p for p in home.glob(f"*_{split}") if p.is_dir()) for split in ("train", "val")}
    if not any(scenes.values()):
        return load_folder(request, home)
    found = scenes["train" if request.split == "train" else "val"]
    if not found:
        raise request.missing(home, "it has folders of scenes, but none of this split")
    paths = [path for scene in found for path in find_pictures(scene)]
    return answer_pictures(request, paths, home, labels=class_labels(paths, home))


def _databases(home: Path, split: str) -> list[Path]:
    patterns = ("*_train_lmdb",) if split == "train" else ("*_val_lmdb", "test_lmdb")
    found = (
        sorted(path for path in home.glob(pattern) if (path / "data.mdb").is_file()) for pattern in patterns
    )
    return next((paths for paths in found if paths), [])


def _copy(databases: list[Path], path: Path, size: int) -> None:
    """Decode all pictures into `path`; a warning counts those that cannot be read, which are left out."""
    with writing_array(path, (size, size, 3)) as writer:
        skipped = sum(_copy_database(database, writer, size) for database in databases)
        if not writer.rows:
            raise ValueError(f"None of the {skipped} pictures in {databases[0].parent} can be read.")
    if skipped:
        warnings.warn(f"{skipped} pictures of LSUN cannot be read and are left out.", stacklevel=3)


def _copy_database(database: Path, writer: ArrayWriter, size: int) -> int:
    """Append one database's pictures and return how many could not be read."""

    def decoded(content: bytes) -> NDArray[np.uint8] | None:
        try:
            return np.asarray(fit_picture(Image.open(io.BytesIO(content)).convert("RGB"), size))
        except UNREADABLE:
            return None

    lmdb = _lmdb()
    try:
        with (
            lmdb.open(str(database), readonly=True, lock=False, readahead=False) as opened,
            opened.begin() as entries,
        ):
            pictures = (value for _, value in entries.cursor())
            total = entries.stat()["entries"]
            return len(write_decoded(pictures, decoded, writer, total=total, what=database.name))
    except lmdb.Error as error:
        raise ValueError(f"{database} is not a whole LMDB folder ({error}): fetch it again.") from error


def _lmdb() -> Any:
    try:
        return import_module("lmdb")
    except ImportError as error:
        raise ValueError(
            "Reading LSUN's own files needs the package lmdb: pip install lmdb, or extract its pictures."
        ) from error
