"""TensorBoard's event file, written in the caller's thread."""

from __future__ import annotations

import socket
import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.proto.summary_pb2 import Summary
from tensorboardX.record_writer import RecordWriter
from tensorboardX.summary import image, scalar

from invglow.files import named

__all__ = ["EventFile"]

FLUSH_SECONDS = 30.0


class EventFile:
    """Scalars and pictures of one training, from a step on, in a file of its own.

    tensorboardX's `SummaryWriter` writes in a thread of its own. Where that ends by a full disk, the
    training waits for it and never ends; here the error is raised where it happens.

    Args:
        folder: for the event files of all trainings of a run.
        start: finished steps; TensorBoard forgets what an interrupted training wrote of later ones.

    Raises:
        OSError: the disk is full or read-only; so do the methods.
    """

    def __init__(self, folder: Path, start: int) -> None:
        self._folder = folder
        self._flushed = time.monotonic()
        folder.mkdir(parents=True, exist_ok=True)
        # The name by which TensorBoard knows such files; the last part keeps one of the same second apart.
        name = f"events.out.tfevents.{int(time.time())}.{socket.gethostname()}.{start}"
        self._records = RecordWriter(str(folder / name))
        with ExitStack() as opened:
            opened.callback(self.close)
            self._write(0, file_version="brain.Event:2")
            self._write(start + 1, session_log=SessionLog(status=SessionLog.START))
            opened.pop_all()

    def scalar(self, step: int, name: str, value: float) -> None:
        """Record a finite number of a step."""
        self._write(step, summary=scalar(name, value))

    def images(self, step: int, name: str, pixels: NDArray[np.uint8]) -> None:
        """Record images (B, C, H, W) of a step, side by side."""
        self._write(step, summary=image(name, pixels, dataformats="NCHW"))

    def close(self) -> None:
        """Flush everything to disk."""
        with named(self._folder):
            self._records.close()

    def _write(self, step: int, **content: str | Summary | SessionLog) -> None:
        with named(self._folder):
            self._records.write(Event(wall_time=time.time(), step=step, **content).SerializeToString())
            if time.monotonic() - self._flushed > FLUSH_SECONDS:
                self._records.flush()
                self._flushed = time.monotonic()
