"""Running an extractor over an image set, safely: resumable, and whole or not at all."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from anomaly_methods.extractors.base import require_shape
from anomaly_methods.extractors.extraction import Extraction
from anomaly_methods.extractors.noise import uniform_noise
from anomaly_methods.extractors.parts import Parts
from anomaly_methods.meta import JOB_FIELDS, StatisticsMeta, differences
from anomaly_methods.statistics import Statistics
from invglow.data.preprocessing import dequantize

__all__ = ["Extraction", "extract", "load_or_extract"]


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
    if batch_size < 1:
        raise ValueError(f"The batch size must be at least 1, got {batch_size}.")
    parts = Parts(path, extraction.meta, part_seconds)
    parts.resume()
    group = extraction.extractor.group_size
    with (
        _prepared(extraction, device) as where,
        tqdm(
            desc=f"{extraction.extractor.name}: {extraction.image_set.name}",
            total=extraction.rows * group,
            initial=len(parts) * group,
            unit="image",
            disable=not progress,
        ) as bar,
    ):
        for piece in _pieces(extraction, len(parts), max(1, batch_size // group), where):
            parts.add(piece)
            bar.update(len(piece) * group)
    statistics = parts.whole()
    statistics.save(path)
    parts.remove()
    return statistics


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
    if path.exists() and not recompute:
        found = Statistics.load(path)
        _require_same_job(found.meta, extraction.meta, path)
        Parts(
            path, extraction.meta
        ).remove()  # left when the run was killed just before it would have done so
        return found
    return extract(
        extraction, path, batch_size=batch_size, device=device, progress=progress, part_seconds=part_seconds
    )


def _require_same_job(found: StatisticsMeta, wanted: StatisticsMeta, path: Path) -> None:
    for name, (there, here) in differences(found, wanted, JOB_FIELDS).items():
        raise ValueError(
            f"{path} holds other statistics than asked for: {name} is {there!r} (model {found.model!r} on "
            f"{found.dataset!r}) instead of {here!r} (model {wanted.model!r} on {wanted.dataset!r}); "
            "name another file, or have it computed again (--recompute)."
        )


@contextmanager
def _prepared(extraction: Extraction, device: torch.device | str | None) -> Iterator[torch.device]:
    """Move the model, put it into evaluation mode for a while, and yield where it is."""
    model = extraction.model
    if device is not None:
        model.to(device)
    where = next((p.device for p in model.parameters()), torch.device(device or "cpu"))
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with torch.inference_mode(mode=not extraction.extractor.needs_gradients):
            yield where
    finally:
        for module, training in modes:
            module.training = training


def _pieces(extraction: Extraction, first: int, rows: int, device: torch.device) -> Iterator[Statistics]:
    """Yield the statistics of `rows` groups after the other, from group `first` on.

    Images are read when they are needed: that takes 10 microseconds each, so a second thread is not worth it.
    """
    group = extraction.extractor.group_size
    for start in range(first, extraction.rows, rows):
        indices = range(start * group, min(start + rows, extraction.rows) * group)
        began = time.perf_counter()
        values = _values(extraction, indices, extraction.image_set.batch(indices).to(device))
        meta = replace(extraction.meta, seconds=time.perf_counter() - began)
        yield Statistics(values, np.array(indices[::group]), meta)


def _values(extraction: Extraction, indices: range, images: Tensor) -> dict[str, NDArray[np.float64]]:
    """Return {name: (B // group_size,)}, the mean over the draws of noise if there are any."""
    if not extraction.noise_draws:
        return _of_batch(extraction, dequantize(images))
    shape = extraction.image_set.image_shape
    means: dict[str, NDArray[np.float64]] = {}
    for draw in range(extraction.noise_draws):
        noise = uniform_noise(indices, shape, seed=extraction.seed, draw=draw).to(images.device)
        values = _of_batch(extraction, dequantize(images, noise))
        means = {n: means.get(n, 0.0) + v / extraction.noise_draws for n, v in values.items()}
    return means


def _of_batch(extraction: Extraction, x: Tensor) -> dict[str, NDArray[np.float64]]:
    rows = len(x) // extraction.extractor.group_size
    values = extraction.extractor(extraction.model, x.contiguous(memory_format=torch.channels_last))
    for name, value in values.items():
        require_shape(value, (rows,), name)
    return {name: value.detach().cpu().to(torch.float64).numpy() for name, value in values.items()}
