"""Numbered parts of an unfinished extraction, from which it goes on after a kill."""

from __future__ import annotations

import itertools
import logging
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from anomaly_methods.meta import JOB_FIELDS, StatisticsMeta, differences
from anomaly_methods.statistics import Statistics, concatenate

__all__ = ["Parts"]

logger = logging.getLogger(__name__)


class Parts:
    """The rows computed so far, in memory and, at most `seconds` behind, in the folder `PATH.parts`.

    Args:
        path: where the whole file will be.
        meta: of the whole; parts of any other computation are not used.
        seconds: after which new rows are written as a part.
    """

    def __init__(self, path: Path, meta: StatisticsMeta, seconds: float = 30.0) -> None:
        self.folder = path.with_name(f"{path.name}.parts")
        self._meta = meta
        self._seconds = seconds
        self._written: list[Statistics] = []
        self._pending: list[Statistics] = []
        self._last_write = time.monotonic()

    def __len__(self) -> int:
        """Rows so far."""
        return sum(map(len, (*self._written, *self._pending)))

    def resume(self) -> None:
        """Take over the parts of an earlier run of the same computation, and remove all others."""
        self._written = list(self._usable())
        used = {self._file(number) for number in range(len(self._written))}
        for file in self.folder.glob("part-*.npz"):
            if file not in used:
                file.unlink(missing_ok=True)
        if self._written:
            logger.info("Going on with %s after %d rows.", self.folder, len(self))

    def add(self, piece: Statistics) -> None:
        """Take in the next rows; write a part when it is time.

        Raises:
            OSError: a part cannot be written; those before are intact.
        """
        self._pending.append(piece)
        if time.monotonic() - self._last_write >= self._seconds:
            part = self._joined(self._pending)
            part.save(self._file(len(self._written)), part=True)
            self._written.append(part)
            self._pending.clear()
            self._last_write = time.monotonic()

    def whole(self) -> Statistics:
        """Return all rows, and in the meta how long they took together."""
        return self._joined([*self._written, *self._pending])

    def remove(self) -> None:
        """Remove the folder, once the whole file is there."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _joined(self, pieces: Sequence[Statistics]) -> Statistics:
        seconds = [piece.meta.seconds for piece in pieces]
        known = [taken for taken in seconds if taken is not None]
        total = sum(known) if len(known) == len(seconds) else None
        return concatenate(pieces, replace(self._meta, seconds=total))

    def _file(self, number: int) -> Path:
        return self.folder / f"part-{number:06d}.npz"

    def _usable(self) -> Iterator[Statistics]:
        """Yield the parts from the first on, up to one that is missing, damaged or of something else."""
        rows = 0
        for file in map(self._file, itertools.count()):
            if not file.exists():
                return
            try:
                part = Statistics.load(file, part=True)
            except ValueError as error:
                logger.warning("%s Rows from %d on are computed again.", error, rows)
                return
            if (reason := self._foreign(part, rows)) is not None:
                logger.warning("Part %s is not used and replaced, since %s.", file, reason)
                return
            rows += len(part)
            yield part

    def _foreign(self, part: Statistics, rows: int) -> str | None:
        for name, (there, here) in differences(part.meta, self._meta, JOB_FIELDS).items():
            return f"it belongs to another computation: {name} is {there!r} there and {here!r} here"
        if not np.array_equal(part.index, np.arange(rows, rows + len(part)) * self._meta.group_size):
            return f"it does not begin at row {rows}"
        return None
