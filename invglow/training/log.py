"""What training leaves to look at: metrics.jsonl, TensorBoard scalars and pictures of samples."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType

from torch import Tensor

from invglow.data.preprocessing import quantize
from invglow.files import named, replacing
from invglow.training.event_file import EventFile

__all__ = ["TrainingLog"]

METRICS = "metrics.jsonl"


class TrainingLog:
    """Appends metrics of a run to `metrics.jsonl` (one JSON object a line) and to TensorBoard.

    A context manager that closes both. Where training ended by an error, that error is the one to hear of.

    Args:
        run: the run folder, which is made where it is missing.
        start: step to go on from; lines of later steps, from before a crash, are dropped.

    Raises:
        OSError: the disk is full or read-only; so do the methods.
    """

    def __init__(self, run: Path, start: int) -> None:
        run.mkdir(parents=True, exist_ok=True)
        self._path = run / METRICS
        _drop_after(self._path, start)
        # Line-buffered, so that a killed run loses no finished line.
        with ExitStack() as opened:
            self._lines = opened.enter_context(self._path.open("a", buffering=1))
            self._board = EventFile(run / "tensorboard", start)
            opened.pop_all()

    def __enter__(self) -> TrainingLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            with suppress(OSError):
                self.close()

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Record numbers of a step; JSON has no NaN nor infinity, so these become null."""
        line = {name: value if math.isfinite(value) else None for name, value in values.items()}
        with named(self._path):
            self._lines.write(json.dumps({"step": step, **line}, allow_nan=False) + "\n")
        for name, value in values.items():
            if math.isfinite(value):
                self._board.scalar(step, name, value)

    def images(self, step: int, name: str, images: Tensor) -> None:
        """Record images (B, C, H, W) in [-1/2, 1/2) of a step."""
        self._board.images(step, name, quantize(images).cpu().numpy())

    def close(self) -> None:
        """Flush everything to disk."""
        try:
            with named(self._path):
                self._lines.close()
        finally:
            self._board.close()


def _drop_after(path: Path, step: int) -> None:
    """Keep the lines of steps up to `step`; a last line that was cut off goes too."""
    if not path.is_file():
        return
    kept = [line for line in path.read_text().splitlines() if _step_of(line) <= step]
    with replacing(path) as temporary:
        temporary.write_text("".join(line + "\n" for line in kept))


def _step_of(line: str) -> float:
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return float("inf")
