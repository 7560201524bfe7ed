"""How many images per second the training batches give, from a memory-mapped array."""

from __future__ import annotations

import time
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from invglow.data.batches import TrainingBatches, training_batches
from invglow.data.image_set import ImageSet

__all__ = ["loader_rate"]

_WARM_UP_STEPS = 5


def loader_rate(batch_size: int, *, steps: int = 100, images: int = 20_000, image_size: int = 32) -> float:
    """Return images per second of flipped, shifted and dequantised random training batches.

    Nothing else runs meanwhile; during training the batches are made in a thread beside it.
    """
    with TemporaryDirectory() as folder:
        path = Path(folder) / "images.npy"
        shape = (images, image_size, image_size, 3)
        np.save(path, np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8))
        image_set = ImageSet("array", "train", np.load(path, mmap_mode="r", allow_pickle=False))
        return _rate(TrainingBatches(image_set, batch_size, seed=0, flip=True, max_shift=0.1), steps)


def _rate(batches: TrainingBatches, steps: int) -> float:
    stream = training_batches(batches, stop=_WARM_UP_STEPS + steps)
    for _ in islice(stream, _WARM_UP_STEPS):
        pass
    start = time.perf_counter()
    count = sum(len(batch) for batch in stream)
    return count / (time.perf_counter() - start)
