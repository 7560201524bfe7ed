"""A disk that is full or read-only ends a command in one sentence; what was there before stays whole."""

from __future__ import annotations

import errno
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import save
from tensorboardX import record_writer

from invglow import checkpoints
from invglow.checkpoints import newest_checkpoint
from tests.commands.calls import SHORT, TINY, Call, Hierarchy, files


def fill_the_disk(patch: pytest.MonkeyPatch, name: str, times_before: int = 0) -> None:
    """Let writes of files of this name fail half-way, after some that do not."""
    written = 0

    def failing(real: Callable[..., Any]) -> Callable[..., Any]:
        def write(path: Path, content: Any) -> Any:
            nonlocal written
            written += name in path.name
            if name not in path.name or written <= times_before:
                return real(path, content)
            real(path, content[: len(content) // 2])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        return write

    write_tensors = failing(Path.write_bytes)
    patch.setattr(checkpoints, "save_file", lambda tensors, path: write_tensors(path, save(tensors)))
    for method in ("write_bytes", "write_text"):
        patch.setattr(Path, method, failing(getattr(Path, method)))


@pytest.mark.parametrize("name", ["model.safetensors", "training_state.pt", "checkpoint.json"])
def test_a_disk_that_fills_up_while_training(
    hierarchy: Hierarchy,
    call: Call,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    *,
    name: str,
) -> None:
    run = tmp_path / "run"
    command = ("train", "--data", hierarchy.wide, "--run", run, *SHORT, "--checkpoint-every", "1", *TINY)
    with monkeypatch.context() as patch:
        fill_the_disk(patch, name, times_before=2)
        outcome = call(*command)
    assert outcome.code == 2
    assert not caplog.records
    assert outcome.err.splitlines()[-1] == f"error: {run / 'incoming' / name}: No space left on device."
    checkpoint = newest_checkpoint(run)
    assert checkpoint is not None
    assert (checkpoint.step, checkpoint.problems) == (2, ())
    assert not [path for path in run.rglob("*") if "partial" in path.name or path.name == "incoming"]
    assert call(*command).code == 0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a device that is full")
@pytest.mark.parametrize("also", [None, "checkpoint.json"])
def test_a_disk_that_is_full_for_tensorboard(
    hierarchy: Hierarchy, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, also: str | None
) -> None:
    run, threads = tmp_path / "run", threading.active_count()
    command = ("train", "--data", hierarchy.wide, "--run", run, *SHORT, "--checkpoint-every", "1", *TINY)
    with monkeypatch.context() as patch:
        patch.setattr(record_writer, "open_file", lambda _: Path("/dev/full").open("wb"))  # noqa: SIM115  # theirs
        if also:
            fill_the_disk(patch, also)
        outcome = call(*command)
    failed = run / "incoming" / also if also else run / "tensorboard"
    assert outcome.code == 2
    assert outcome.err.splitlines()[-1] == f"error: {failed}: No space left on device."
    assert threading.active_count() <= threads + 1  # tqdm has one
    assert call(*command).code == 0


def test_a_disk_that_is_full_from_the_start(
    hierarchy: Hierarchy, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ("train", "--data", hierarchy.wide, "--run", tmp_path / "run", *SHORT, *TINY)
    with monkeypatch.context() as patch:
        fill_the_disk(patch, "config.json")
        assert call(*command).refusal() == f"{tmp_path / 'run' / 'config.json'}: No space left on device."
    assert files(tmp_path) == {}
    assert call(*command).code == 0


def test_a_disk_that_fills_up_while_evaluating(
    copied: Hierarchy, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    sets = ("--in-distribution", copied.inside, "--out-of-distribution", copied.outside)
    command = ("evaluate", "--run", copied.specific, *sets)
    assert call(*command).code == 0
    before = files(copied.folder)
    with monkeypatch.context() as patch:
        fill_the_disk(patch, "evaluation-")
        for more in ((), ("--method", "raw_likelihood")):
            sentence = call(*command, *more).refusal()
            assert sentence.startswith(f"{copied.specific / 'evaluation-'}")
            assert sentence.endswith(".json: No space left on device.")
    assert files(copied.folder) == before


def test_a_folder_that_cannot_be_written(
    copied: Hierarchy, call: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A read-only folder, which a test run by root has to pretend."""

    def read_only(*_: object, dir: Path, **__: object) -> None:  # noqa: A002  # the name that tempfile uses
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(dir))

    before = files(copied.folder)
    with monkeypatch.context() as patch:
        patch.setattr("tempfile.mkstemp", read_only)
        for command in (
            ("train", "--data", copied.wide, "--run", tmp_path / "run", *SHORT, *TINY),
            ("statistics", "--run", copied.specific, "--data", copied.inside),
            ("sample", "--run", copied.specific, "--output", copied.folder / "x.png"),
        ):
            outcome = call(*command)
            assert outcome.code == 2
            assert outcome.err.splitlines()[-1].endswith(": Permission denied.")
            assert "Traceback" not in outcome.err
    assert files(copied.folder) == before
