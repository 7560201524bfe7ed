"""`ImageSet`: named images with everything needed to read batches of them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from invglow.data.arrays import blocks, gather
from invglow.data.cutting import cut_squares

__all__ = ["ImageSet", "luma"]


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Images of one split of one set, in memory or memory-mapped.

    Attributes:
        name: the set as the user named it, such as `cifar10`, `array:/x/y.npy` or `general:photos`.
        split: `train` or `test`.
        images: uint8 (N, H, W, C), C of 1 or 3.
        labels: int64 (N,), where the set has them.
        grey: convert colour to luma when a batch is read, so that C becomes 1.
        flips: whether a horizontally flipped image still belongs to the set (not for digits).
        paths: where each image came from, for folders of pictures.
        crop: batches hold squares of this side, cut out of the images; None for whole images.
        colour: repeat grey images as three equal channels.

    Raises:
        ValueError: the images are of another type or shape, or smaller than `crop`, or the labels of another
            length.
    """

    name: str
    split: str
    images: NDArray[np.uint8]
    labels: NDArray[np.int64] | None = None
    grey: bool = False
    flips: bool = True
    paths: tuple[str, ...] | None = None
    crop: int | None = None
    colour: bool = False

    def __post_init__(self) -> None:
        self._require_images()
        height, width = self.images.shape[1:3]
        if self.crop is not None and not 1 <= self.crop <= min(height, width):
            raise ValueError(
                f"{self.name} has images of {height}x{width} pixels, out of which squares of {self.crop}x"
                f"{self.crop} cannot be cut: choose a smaller image size."
            )

    def _require_images(self) -> None:
        """Refuse other arrays: of floats, of channels first, or with other labels than one for each image."""
        shape: tuple[int, ...] = getattr(self.images, "shape", ())
        dtype = getattr(self.images, "dtype", type(self.images).__name__)
        if dtype != np.uint8 or len(shape) != 4 or shape[-1] not in {1, 3}:
            raise ValueError(
                f"The images of {self.name} must be an array of uint8, 0 to 255, of shape (N, H, W, C), C of "
                f"1 or 3, but are {dtype} of shape {tuple(shape)}."
            )
        if self.labels is not None and len(self.labels) != len(self.images):
            raise ValueError(f"{self.name} has {len(self.labels)} labels for {len(self.images)} images.")

    def __len__(self) -> int:
        return len(self.images)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Shape (C, H, W) of one image as batches hold it, that is cut and after the conversion to grey."""
        _, height, width, channels = self.images.shape
        if self.crop is not None:
            height = width = self.crop
        if self.grey or self.colour:
            channels = 1 if self.grey else 3
        return (channels, height, width)

    def batch(self, indices: ArrayLike, generator: torch.Generator | None = None) -> Tensor:
        """Return the images at `indices` as uint8 (B, C, H, W), a view with channels last in memory.

        Where images are cut (`crop`), this is the centre of each; with a generator, as in training, it draws
        the place, so that the same state gives the same squares.
        """
        found = gather(self.images, indices)
        if self.crop is not None:
            found = cut_squares(found, self.crop, generator)
        if self.colour and not self.grey and found.shape[-1] == 1:
            found = np.repeat(found, 3, axis=-1)
        return torch.from_numpy(luma(found) if self.grey else found).permute(0, 3, 1, 2)

    def limited(self, n: int) -> ImageSet:
        """Return the first `n` images (all of them if there are fewer) as a set; nothing is copied."""
        if n < 1:
            raise ValueError(f"The number of images must be at least 1, got {n}.")
        labels = None if self.labels is None else self.labels[:n]
        paths = None if self.paths is None else self.paths[:n]
        return replace(self, images=self.images[:n], labels=labels, paths=paths)

    def sha256(self) -> str:
        """Return the hexadecimal SHA-256 of pixels, shape and preparation, read in constant memory."""
        converted = self.grey and self.images.shape[-1] != 1
        repeated = self.colour and not self.grey and self.images.shape[-1] == 1
        cut = "" if self.crop is None else f" crop={self.crop}"
        preparation = f"{self.images.shape} grey={converted}{cut}{' colour' if repeated else ''}"
        digest = hashlib.sha256(preparation.encode())
        for block in blocks(self.images):
            digest.update(np.ascontiguousarray(block).data)
        return digest.hexdigest()


def luma(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Convert colour (..., 3) to grey (..., 1) by ITU-R BT.601, rounded; grey passes unchanged.

    References:
        docs/data.md, equation 1.
    """
    if images.shape[-1] == 1:
        return images
    # Weights times 2^16 (they sum to it), so that whole numbers give the rounded result on every machine.
    weighted = images.astype(np.uint32) @ np.array([19595, 38470, 7471], dtype=np.uint32)
    return ((weighted + 32768) >> 16).astype(np.uint8)[..., None]
