"""What training leaves to look at: metrics.jsonl, TensorBoard scalars and pictures of samples."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path

from tensorboardX import SummaryWriter
from torch import Tensor

from invglow.data.preprocessing import quantize
from invglow.files import replacing

__all__ = ["TrainingLog"]

METRICS = "metrics.jsonl"


class TrainingLog:
    """Appends metrics of a run to `metrics.jsonl` (one JSON object a line) and to TensorBoard.

    Args:
        run: the run folder.
        start: step to go on from; lines of later steps, from before a crash, are dropped.
    """

    def __init__(self, run: Path, start: int) -> None:
        _drop_after(run / METRICS, start)
        # Line-buffered, so that a killed run loses no finished line.
        self._lines = (run / METRICS).open("a", buffering=1)
        self._board = SummaryWriter(str(run / "tensorboard"), purge_step=start + 1, flush_secs=30)

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Record numbers of a step; JSON has no NaN nor infinity, so these become null."""
        line = {name: value if math.isfinite(value) else None for name, value in values.items()}
        self._lines.write(json.dumps({"step": step, **line}, allow_nan=False) + "\n")
        for name, value in values.items():
            if math.isfinite(value):  # it warns of others, at every step
                self._board.add_scalar(name, value, step)

    def images(self, step: int, name: str, images: Tensor) -> None:
        """Record images (B, C, H, W) in [-1/2, 1/2) of a step."""
        self._board.add_images(name, quantize(images).cpu().numpy(), step)

    def close(self) -> None:
        """Flush everything to disk."""
        self._lines.close()
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
