"""Batches for training and evaluation; the training batch of a step depends on the seed and the step only."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from invglow.data.image_set import ImageSet
from invglow.data.permutation import permuted
from invglow.data.preprocessing import augment, dequantize

__all__ = ["TrainingBatches", "evaluation_batches", "training_batches"]

# Names of the independent streams of random numbers drawn from one seed.
_ORDER, _STEP = 0, 1


@dataclass(frozen=True)
class TrainingBatches:
    """An endless row of random batches, any of which can be asked for directly.

    Images come in a new random order each epoch; a batch may reach over the end of one into the next, so each
    image is seen exactly once per epoch. Augmentation and dequantisation noise are drawn for the whole batch,
    then cut into `world_size` slices: processes that train together share the batch one process would see.

    Attributes:
        images: the set to draw from.
        batch_size: images per step over all processes; `world_size` must divide it.
        seed: names the row of batches.
        flip: flip images horizontally at random; None means where the set allows it (`images.flips`).
        max_shift: largest random shift as a fraction of the side (0.1 in the paper; 0 for digits).
        rank: which slice this process takes.
        world_size: number of processes.
    """

    images: ImageSet
    batch_size: int
    seed: int
    flip: bool | None = None
    max_shift: float = 0.0
    rank: int = 0
    world_size: int = 1

    def __post_init__(self) -> None:
        if self.batch_size < 1 or self.batch_size % self.world_size:
            raise ValueError(
                f"The batch size must be a positive multiple of the {self.world_size} processes, "
                f"got {self.batch_size}."
            )
        if not 0 <= self.rank < self.world_size:
            raise ValueError(f"The rank must be in 0..{self.world_size - 1}, got {self.rank}.")

    def indices(self, step: int) -> NDArray[np.int64]:
        """Return which images the whole batch of `step` holds, shape (batch_size,)."""
        position = np.arange(step * self.batch_size, (step + 1) * self.batch_size, dtype=np.int64)
        epoch, place = position // len(self.images), position % len(self.images)
        found = np.empty_like(place)
        for one in range(int(epoch[0]), int(epoch[-1]) + 1):
            found[epoch == one] = permuted(place[epoch == one], len(self.images), (self.seed, _ORDER, one))
        return found

    def __call__(self, step: int) -> Tensor:
        """Return this process's slice of the batch of `step`: float32 (batch_size / world_size, C, H, W)."""
        generator = torch.Generator().manual_seed(_seed_of(self.seed, step))
        whole = self.images.batch(self.indices(step), generator)
        flip = self.images.flips if self.flip is None else self.flip
        if flip or self.max_shift > 0:
            whole = augment(whole, generator, flip=flip, max_shift=self.max_shift)
        mine = self._mine()
        noise = torch.rand(_channels_last_shape(whole), generator=generator).permute(0, 3, 1, 2)
        return dequantize(whole[mine], noise[mine])

    def labels(self, step: int) -> Tensor:
        """Return the labels of this process's slice of the batch of `step`: int64 (batch_size / world_size,).

        Raises:
            ValueError: the set has no labels.
        """
        if self.images.labels is None:
            raise ValueError(f"{self.images.name} ({self.images.split}) has no labels to learn from.")
        return torch.from_numpy(self.images.labels[self.indices(step)[self._mine()]])

    def _mine(self) -> slice:
        """Return which part of the whole batch this process takes."""
        share = self.batch_size // self.world_size
        return slice(self.rank * share, (self.rank + 1) * share)


def training_batches(batches: TrainingBatches, start: int = 0, stop: int | None = None) -> Iterator[Tensor]:
    """Yield the batches of steps start, start + 1, ... below `stop` (endless if None).

    Batches are made when asked for: that takes a few milliseconds, whereas a second thread that runs torch
    brings its own pool of threads, which slowed training on two cores several times over.
    """
    return map(batches, itertools.count(start) if stop is None else range(start, stop))


def evaluation_batches(
    images: ImageSet, batch_size: int, *, noise_seed: int | None = None, start: int = 0
) -> Iterator[tuple[NDArray[np.int64], Tensor]]:
    """Yield (indices, float32 (B, C, H, W)) over the set in its order, from image `start`, not augmented.

    The noise of an image depends on `noise_seed` and its index alone, whatever the batch size; None means
    bin centres.
    """
    if batch_size < 1:
        raise ValueError(f"The batch size must be at least 1, got {batch_size}.")

    def batch(first: int) -> tuple[NDArray[np.int64], Tensor]:
        indices = np.arange(first, min(first + batch_size, len(images)), dtype=np.int64)
        noise = None if noise_seed is None else _noise(images, noise_seed, indices)
        return indices, dequantize(images.batch(indices), noise)

    return map(batch, range(start, len(images), batch_size))


def _noise(images: ImageSet, seed: int, indices: NDArray[np.int64]) -> Tensor:
    generators = (torch.Generator().manual_seed(_seed_of(seed, int(index))) for index in indices)
    return torch.stack([torch.rand(images.image_shape, generator=generator) for generator in generators])


def _seed_of(seed: int, step: int) -> int:
    """Return one 63-bit seed for a step (or an image), unrelated to those of its neighbours."""
    return int(np.random.SeedSequence((seed, _STEP, step)).generate_state(1, np.uint64)[0] >> np.uint64(1))


def _channels_last_shape(images: Tensor) -> tuple[int, int, int, int]:
    count, channels, height, width = images.shape
    return count, height, width, channels
