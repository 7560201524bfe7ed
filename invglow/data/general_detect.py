"""Tell from a path what kind of source of a general set it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from invglow.data.batch_files import batch_paths
from invglow.data.crops import CropSettings
from invglow.data.general_files import ImageArray, ImageBatches, TinyImagesFile, read_index_lists
from invglow.data.general_pictures import Pictures
from invglow.data.general_source import GeneralSource

__all__ = ["open_source"]


def open_source(
    path: Path, number: int, *, crop: CropSettings, crops: int = 1, exclude: Sequence[Path] = ()
) -> GeneralSource:
    """Return the source that `path` is.

    Args:
        path: tiny_images.bin; a `.npy` of images; a folder of ImageNet-32 batches, or one batch file; a
            Tiny-ImageNet tree; any folder of pictures.
        number: its place among the sources.
        crop: how pictures are cropped.
        crops: how often each picture is.
        exclude: index lists of images to leave out, if `path` is tiny_images.bin.

    Raises:
        FileNotFoundError: there is nothing at `path`.
        ValueError: it is nothing of these, or an index list or image size does not fit it.
    """
    if not path.exists():
        raise FileNotFoundError(f"The source {path} does not exist.")
    source = _open_folder(path, number, crop, crops) if path.is_dir() else _open_file(path, number)
    if exclude and isinstance(source, TinyImagesFile):
        source = TinyImagesFile(source.path, number, read_index_lists(exclude, source.total()))
    if not isinstance(source, Pictures) and crop.size != 32:
        raise ValueError(
            f"{path} ({source.kind}) holds 32x32 images: only pictures can give {crop.size} pixels."
        )
    return source


def _open_file(path: Path, number: int) -> GeneralSource:
    if path.suffix == ".npy":
        return ImageArray(path, number)
    if path.suffix == ".bin":
        return TinyImagesFile(path, number)
    if "data_batch" in path.name or path.name == "val_data":
        return ImageBatches(path, number, [path])
    raise ValueError(
        f"{path} is no known source: expected tiny_images.bin, a .npy array, a batch file of ImageNet-32, or "
        "a folder."
    )


def _open_folder(path: Path, number: int, crop: CropSettings, crops: int) -> GeneralSource:
    if (path / "tiny_images.bin").is_file():
        return TinyImagesFile(path / "tiny_images.bin", number)
    if files := batch_paths(path, "train"):
        return ImageBatches(path, number, files)
    if (path / "wnids.txt").is_file() and (path / "train").is_dir():
        # Half of the pictures whole, half cropped: at 64x64 there is little room for scales.
        return Pictures(path / "train", number, replace(crop, whole=0.5), crops)
    return Pictures(path, number, crop, crops)
