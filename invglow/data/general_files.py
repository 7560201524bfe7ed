"""Sources that already hold 32x32 images: tiny_images.bin, an array, ImageNet-32 batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from invglow.data.arrays import open_images, release
from invglow.data.batch_files import read_batch
from invglow.data.general_source import BLOCK, Block, BlockSource, GeneralSource

__all__ = ["ImageArray", "ImageBatches", "TinyImagesFile", "read_index_lists"]

_IMAGE_BYTES = 3072


class TinyImagesFile(BlockSource):
    """The original file of 80 Million Tiny Images: 3,072 bytes per image, 32 x 32 x 3 in Fortran order.

    References:
        80 million tiny images: a large data set for nonparametric object and scene recognition (Torralba et
        al., 2008); withdrawn by its authors in 2020.
    """

    kind = "80 Million Tiny Images"

    def total(self) -> int:
        size = self.path.stat().st_size
        if size == 0 or size % _IMAGE_BYTES:
            raise ValueError(
                f"{self.path} has {size} bytes, not a multiple of {_IMAGE_BYTES} (32 x 32 x 3 per image): "
                "it is cut short or not tiny_images.bin."
            )
        return size // _IMAGE_BYTES

    def images(self, start: int, stop: int) -> NDArray[np.uint8]:
        with self.path.open("rb") as file:
            file.seek(start * _IMAGE_BYTES)
            content = np.frombuffer(file.read((stop - start) * _IMAGE_BYTES), dtype=np.uint8)
        return content.reshape(-1, 3, 32, 32).transpose(0, 3, 2, 1)


class ImageArray(BlockSource):
    """An array of images, `.npy` uint8 N x 32 x 32 x 3, such as 300K Random Images.

    References:
        Deep anomaly detection with outlier exposure (Hendrycks et al., 2019).
    """

    kind = "array of images"

    @cached_property
    def _array(self) -> NDArray[np.uint8]:
        array = open_images(self.path)
        if array.shape[1:] != (32, 32, 3):
            raise ValueError(f"{self.path} should be of shape (N, 32, 32, 3), got {array.shape}.")
        return array

    def total(self) -> int:
        return len(self._array)

    def images(self, start: int, stop: int) -> NDArray[np.uint8]:
        found = np.array(self._array[start:stop])
        release(self._array)
        return found


class ImageBatches(GeneralSource):
    """Batch files as ImageNet-32 has them; one is in memory at a time, its images come in random order.

    References:
        A downsampled variant of ImageNet as an alternative to the CIFAR datasets (Chrabaszcz et al., 2017).
    """

    kind = "ImageNet-32 batches"

    def __init__(self, path: Path, number: int, files: Sequence[Path]) -> None:
        super().__init__(path, number)
        self.files = files

    @cached_property
    def _counts(self) -> list[int]:
        return [len(read_batch(file)[1]) for file in self.files]

    def count(self) -> int:
        return sum(self._counts)

    def read(self, wanted: int, seed: int) -> Iterator[Block]:
        rng = np.random.default_rng((seed, self.number))
        chosen = rng.multivariate_hypergeometric(self._counts, wanted, method="marginals")
        offsets = np.cumsum([0, *self._counts])
        for file, count, share, offset in zip(self.files, self._counts, chosen, offsets, strict=False):
            images = read_batch(file)[0]
            items = rng.permutation(count)[:share]
            for start in range(0, len(items), BLOCK):
                part = items[start : start + BLOCK]
                yield Block(images[part], self.origins(part + offset))
            del images  # before the next file is read


def read_index_lists(files: Sequence[Path], total: int) -> NDArray[np.int64]:
    """Return the images named by text files of whole numbers that count from 1, as numbers that count from 0.

    Raises:
        ValueError: something else than numbers from 1 to `total` is in a file.
    """
    found = [np.zeros(0, dtype=np.int64)]
    for file in files:
        try:
            numbers = np.array(file.read_text(encoding="ascii").replace(",", " ").split(), dtype=np.int64)
        except ValueError as error:
            raise ValueError(f"{file} should hold whole numbers only, one a line.") from error
        if len(numbers) and (numbers.min() < 1 or numbers.max() > total):
            raise ValueError(
                f"{file} holds numbers from {numbers.min()} to {numbers.max()}, but the lists count from 1 "
                f"and there are {total} images."
            )
        found.append(numbers - 1)
    return np.unique(np.concatenate(found))
