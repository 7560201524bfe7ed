"""Slices of magnetic resonance images of brains, in one or all of four modalities."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from invglow.data.image_set import ImageSet
from invglow.data.picture_store import PictureStore
from invglow.data.pictures import UNREADABLE, find_pictures, read_picture
from invglow.data.request import SetRequest

__all__ = ["MODALITIES", "load_brats"]

MODALITIES = ("t1", "t1ce", "t2", "flair")


def load_brats(request: SetRequest) -> ImageSet:
    """Read `brats` (all modalities) or `brats-t1`, `brats-t1ce`, `brats-t2`, `brats-flair`: slices.

    They are pictures below FOLDER/brats/train and FOLDER/brats/test (or val), where a folder or a word of the
    file's name says the modality: t1ce/7.jpg, or BraTS19_2013_2_1_t1ce_081.jpg. Batches hold squares of the
    size that was asked for, cut at random places in training and from the centre in evaluation, grey repeated
    as three equal channels (unless read in grey); slices are neither resized nor flipped.

    References:
        The multimodal brain tumor image segmentation benchmark (BRATS) (Menze et al., 2015). Prepared as in
        Understanding Anomaly Detection with Deep Invertible Networks through Hierarchies of Distributions and
        Features (Schirrmeister et al., 2020).
    """
    root = _split_folder(request)
    wanted = MODALITIES if request.spec == "brats" else (request.spec.removeprefix("brats-"),)
    paths = [path for path in find_pictures(root) if _modality(path.relative_to(root)) in wanted]
    if not paths:
        raise request.missing(
            root, f"no picture there has {' or '.join(wanted)} as a folder or as a word of its name"
        )
    store = PictureStore(
        paths, root, _side(paths, root), 1, request.cache, f"{request.spec}-{request.split}", exact=True
    )
    images, kept = store.open()
    names = [str(paths[index]) for index in kept]
    return request.answer(images, flips=False, paths=names, crop=request.image_size, colour=not request.grey)


def _split_folder(request: SetRequest) -> Path:
    home = request.folder / "brats"
    for name in ("train",) if request.split == "train" else ("test", "val"):
        if (home / name).is_dir():
            return home / name
    how = "export the slices of the volumes as pictures (jpg or png) into folders named after the modalities"
    raise request.missing(home / request.split, how)


def _modality(path: Path) -> str | None:
    """Return the last word of the path that names a modality; t1 is none of the words of t1ce."""
    words = re.split(r"[^a-z0-9]+", str(path).lower())
    return next((word for word in reversed(words) if word in MODALITIES), None)


def _side(paths: Sequence[Path], root: Path) -> int:
    """Return the width of the first picture that can be read; all others must be as large."""
    for path in paths:
        try:
            return read_picture(path, 1).width
        except UNREADABLE:
            continue
    raise ValueError(f"None of the {len(paths)} pictures in {root} can be read.")
