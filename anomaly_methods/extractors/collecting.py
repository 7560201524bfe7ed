"""Computing statistics of an image set piece by piece, safely: resumable, and whole or not at all."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from anomaly_methods.extractors.parts import Parts
from anomaly_methods.meta import JOB_FIELDS, StatisticsMeta, differences
from anomaly_methods.statistics import Statistics

__all__ = ["Job", "collect", "stored"]


@dataclass(frozen=True, eq=False)
class Job:
    """What to compute, and where it is to be kept.

    Attributes:
        path: of the statistics file.
        meta: of the result.
        rows: groups of `meta.group_size` images in the set.
        values: gives {name: (n,)} for the images at some positions, which make n whole groups; it may not
            depend on which other images are asked for at the same time.
    """

    path: Path
    meta: StatisticsMeta
    rows: int
    values: Callable[[range], Mapping[str, NDArray[np.float64]]]


def collect(
    job: Job, *, batch_size: int = 128, progress: bool = False, part_seconds: float = 30.0
) -> Statistics:
    """Compute the statistics, save them and return them.

    Killed and called again, it goes on after the last part in the folder `PATH.parts`, which it removes
    in the end.

    Args:
        job: what to compute.
        batch_size: images at a time, rounded to whole groups.
        progress: show a bar.
        part_seconds: at most so much work is lost by a kill.

    Raises:
        ValueError: the batch size is not positive.
        OSError: a file cannot be written; what was written before is intact.
    """
    if batch_size < 1:
        raise ValueError(f"The batch size must be at least 1, got {batch_size}.")
    parts = Parts(job.path, job.meta, part_seconds)
    parts.resume()
    group = job.meta.group_size
    with tqdm(
        desc=f"{job.meta.kind}: {job.meta.dataset}",
        total=job.rows * group,
        initial=len(parts) * group,
        unit="image",
        disable=not progress,
    ) as bar:
        for piece in _pieces(job, len(parts), max(1, batch_size // group)):
            parts.add(piece)
            bar.update(len(piece) * group)
    statistics = parts.whole()
    statistics.save(job.path)
    parts.remove()
    return statistics


def stored(path: Path, meta: StatisticsMeta) -> Statistics | None:
    """Return the statistics at `path` if they are the ones that `meta` describes, None if there are none.

    Raises:
        ValueError: the file is of another model, image set or computation, or damaged.
    """
    if not path.exists():
        return None
    found = Statistics.load(path)
    for name, (there, here) in differences(found.meta, meta, JOB_FIELDS).items():
        raise ValueError(
            f"{path} holds other statistics than asked for: {name} is {there!r} (model {found.meta.model!r} "
            f"on {found.meta.dataset!r}) instead of {here!r} (model {meta.model!r} on {meta.dataset!r}); "
            "name another file, or have it computed again (--recompute)."
        )
    Parts(path, meta).remove()  # left when the run was killed just before it would have done so
    return found


def _pieces(job: Job, first: int, rows: int) -> Iterator[Statistics]:
    """Yield the statistics of `rows` groups after the other, from group `first` on.

    Images are read when they are needed: that takes 10 microseconds each, so a second thread is not worth it.
    """
    group = job.meta.group_size
    for start in range(first, job.rows, rows):
        indices = range(start * group, min(start + rows, job.rows) * group)
        began = time.perf_counter()
        values = job.values(indices)
        meta = replace(job.meta, seconds=time.perf_counter() - began)
        yield Statistics(values, np.array(indices[::group]), meta)
