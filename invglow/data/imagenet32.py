"""ImageNet downsampled to 32x32, read from its published batch files into a memory-mapped copy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from tqdm import tqdm

from invglow.data.arrays import blocks, open_array, open_images, writing_array
from invglow.data.batch_files import batch_paths, read_batch
from invglow.data.image_set import ImageSet
from invglow.data.request import SetRequest
from invglow.data.resize import at_size, file_key
from invglow.files import replacing

__all__ = ["load_imagenet32"]


def load_imagenet32(request: SetRequest) -> ImageSet:
    """Read `imagenet32`: up to 1,281,167 training images, 50,000 for testing (its validation set).

    References:
        A downsampled variant of ImageNet as an alternative to the CIFAR datasets (Chrabaszcz et al., 2017).
    """
    folder = request.folder / "imagenet32"
    paths = batch_paths(folder, request.split)
    if not paths:
        raise request.missing(
            folder,
            "put train_data_batch_1 to 10 and val_data (Imagenet32_*.zip from image-net.org) there",
        )
    key = file_key(f"imagenet32-{request.split}", *paths)
    path = request.cache / f"{key}.npy"
    if not path.is_file():
        _convert(paths, path)
    labels = np.asarray(open_array(_labels_of(path))).astype(np.int64)
    return request.answer(at_size(open_images(path), request.image_size, request.cache, key), labels)


def _convert(paths: list[Path], path: Path) -> None:
    """Copy one batch after another, so that no more than one is in memory."""
    labels = []
    with writing_array(path, (32, 32, 3)) as writer:
        for batch in tqdm(paths, desc="reading imagenet32", unit="file", disable=None):
            images, numbers = read_batch(batch)
            labels.append(numbers - 1)  # published as 1..1000
            for block in blocks(images):
                writer.append(block)
            del images
        with replacing(_labels_of(path)) as temporary, temporary.open("wb") as file:
            np.save(file, np.concatenate(labels), allow_pickle=False)


def _labels_of(path: Path) -> Path:
    return path.with_name(f"{path.stem}_labels.npy")
