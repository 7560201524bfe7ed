"""TensorBoard's event file: what is in it, and that a full disk is an error at once and nothing else."""

from __future__ import annotations

import struct
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tensorboardX import record_writer
from tensorboardX.proto.event_pb2 import Event, SessionLog

from invglow.training.event_file import EventFile

FULL = Path("/dev/full")
needs_full_device = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a device that is full")


def events(folder: Path) -> Iterator[Event]:
    """Yield what is in the files of a folder, which are records of length, checksum, content and checksum."""
    for path in sorted(folder.iterdir()):
        content = path.read_bytes()
        while content:
            (length,) = struct.unpack("Q", content[:8])
            yield Event.FromString(content[12 : 12 + length])
            content = content[12 + length + 4 :]


def test_scalars_and_pictures_have_their_steps(tmp_path: Path) -> None:
    file = EventFile(tmp_path / "board", 6)
    file.scalar(7, "loss", 0.5)
    file.images(8, "samples", np.zeros((3, 1, 4, 5), np.uint8))
    file.close()
    version, begin, loss, samples = events(tmp_path / "board")
    assert version.file_version == "brain.Event:2"
    assert (begin.step, begin.session_log.status) == (7, SessionLog.START)
    assert [(loss.step, value.tag, value.simple_value) for value in loss.summary.value] == [(7, "loss", 0.5)]
    (picture,) = samples.summary.value
    assert (samples.step, picture.tag) == (8, "samples")
    assert picture.image.encoded_image_string.startswith(b"\x89PNG")
    assert begin.wall_time <= loss.wall_time <= samples.wall_time


def test_trainings_that_go_on_at_once_have_files_of_their_own(tmp_path: Path) -> None:
    for start in (0, 5):
        file = EventFile(tmp_path, start)
        file.scalar(start + 1, "loss", 1.0)
        file.close()
    assert [event.step for event in events(tmp_path) if event.summary.value] == [1, 6]


@needs_full_device
def test_a_full_disk_is_an_error_with_a_name_and_nothing_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record_writer, "open_file", lambda _: FULL.open("wb"))
    monkeypatch.setattr("invglow.training.event_file.FLUSH_SECONDS", 0.0)
    threads = threading.active_count()
    with pytest.raises(OSError, match="No space left on device") as error:
        EventFile(tmp_path / "board", 0)
    assert error.value.filename == str(tmp_path / "board")
    assert threading.active_count() == threads


@needs_full_device
def test_a_disk_that_fills_up_is_noticed_at_the_latest_when_it_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record_writer, "open_file", lambda _: FULL.open("wb"))
    file = EventFile(tmp_path / "board", 0)
    for step in range(1, 30):
        file.scalar(step, "loss", 1.0)
    with pytest.raises(OSError, match="No space left on device") as error:
        file.close()
    assert error.value.filename == str(tmp_path / "board")
