"""Running an extractor, which asks a model, over an image set."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from anomaly_methods.extractors.base import require_shape
from anomaly_methods.extractors.collecting import Job, collect, stored
from anomaly_methods.extractors.extraction import Extraction
from anomaly_methods.extractors.indexed import images_for
from anomaly_methods.extractors.noise import uniform_noise
from anomaly_methods.statistics import Statistics
from invglow.data.preprocessing import dequantize
from models.base import said_of

__all__ = ["Extraction", "extract", "load_or_extract"]

_IMAGES = 1 << 40  # more than any set has


def extract(
    extraction: Extraction,
    path: Path,
    *,
    batch_size: int = 128,
    device: torch.device | str | None = None,
    progress: bool = False,
    part_seconds: float = 30.0,
) -> Statistics:
    """Compute the statistics, save them at `path` and return them.

    Killed and called again, it goes on after the last part in the folder `PATH.parts`, which it removes
    in the end.

    Args:
        extraction: what to compute.
        path: of the statistics file; an earlier file stays until the new one is whole.
        batch_size: images at a time, rounded to whole groups.
        device: where to compute, the model is moved there; by default where its parameters are.
        progress: show a bar.
        part_seconds: at most so much work is lost by a kill.

    Raises:
        ValueError: the model's output has the wrong shape, or the batch size is not positive.
        OSError: a file cannot be written; what was written before is intact.
    """
    with _prepared(extraction, device) as where:

        def values(indices: range) -> dict[str, NDArray[np.float64]]:
            return _values(extraction, indices, extraction.image_set.batch(indices).to(where))

        job = Job(path, extraction.meta, extraction.rows, values)
        return collect(job, batch_size=batch_size, progress=progress, part_seconds=part_seconds)


def load_or_extract(
    extraction: Extraction,
    path: Path,
    *,
    recompute: bool = False,
    batch_size: int = 128,
    device: torch.device | str | None = None,
    progress: bool = False,
    part_seconds: float = 30.0,
) -> Statistics:
    """Return the statistics at `path` if they are the ones wanted; compute and save them if there are none.

    Args:
        extraction: what is wanted.
        path: of the statistics file.
        recompute: compute anyway, and replace what is there.
        batch_size: and the others, as in `extract`.
        device: as in `extract`.
        progress: as in `extract`.
        part_seconds: as in `extract`.

    Raises:
        ValueError: the file is of another model, image set or computation, or damaged; or as in `extract`.
        OSError: as in `extract`.
    """
    found = None if recompute else stored(path, extraction.meta)
    if found is not None:
        return found
    return extract(
        extraction, path, batch_size=batch_size, device=device, progress=progress, part_seconds=part_seconds
    )


@contextmanager
def _prepared(extraction: Extraction, device: torch.device | str | None) -> Iterator[torch.device]:
    """Move the model, put it into evaluation mode for a while, and yield where it is."""
    model = extraction.model
    if device is not None:
        model.to(device)
    where = next((p.device for p in model.parameters()), torch.device(device or "cpu"))
    with model.evaluating(), torch.inference_mode(mode=not extraction.extractor.needs_gradients):
        yield where


def _values(extraction: Extraction, indices: range, images: Tensor) -> dict[str, NDArray[np.float64]]:
    """Return {name: (B // group_size,)}, the mean over the draws of noise if there are any.

    A model that draws numbers of its own draws others for other noise, so the errors of the draws are
    independent: that of their mean is the root of the sum of squares, divided by their number.
    """
    if not extraction.noise_draws:
        return _of_batch(extraction, dequantize(images), indices, 0)
    shape = extraction.image_set.image_shape
    errors, draws = extraction.extractor.standard_errors, extraction.noise_draws
    sums: dict[str, NDArray[np.float64]] = {}
    for draw in range(draws):
        noise = uniform_noise(indices, shape, seed=extraction.seed, draw=draw).to(images.device)
        for name, value in _of_batch(extraction, dequantize(images, noise), indices, draw).items():
            sums[name] = sums.get(name, 0.0) + (value**2 if name in errors else value)
    return {name: (np.sqrt(total) if name in errors else total) / draws for name, total in sums.items()}


def _of_batch(extraction: Extraction, x: Tensor, indices: range, draw: int) -> dict[str, NDArray[np.float64]]:
    rows = len(x) // extraction.extractor.group_size
    # A stochastic model draws other numbers for every draw of noise.
    given = images_for(extraction.asked, x, torch.arange(indices.start, indices.stop) + draw * _IMAGES)
    with said_of(extraction.model, f"the computation of {extraction.extractor.name}", x):
        values = extraction.extractor(extraction.asked, given)
    for name, value in values.items():
        require_shape(value, (rows,), name)
    return {name: value.detach().cpu().to(torch.float64).numpy() for name, value in values.items()}
