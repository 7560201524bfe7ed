"""What a training leaves to look at, and that going on after a kill leaves no line twice."""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from invglow.training.log import TrainingLog


def lines(run: Path) -> list[dict[str, Any]]:
    found = (run / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line, parse_constant=refuse) for line in found]


def refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is not JSON")


def write(run: Path, start: int, steps: range) -> None:
    log = TrainingLog(run, start)
    for step in steps:
        log.scalars(step, {"loss": step / 2})
    log.close()


def test_every_line_is_one_step_in_json(tmp_path: Path) -> None:
    write(tmp_path, 0, range(1, 4))
    assert lines(tmp_path) == [{"step": step, "loss": step / 2} for step in (1, 2, 3)]


def test_a_line_is_there_as_soon_as_it_is_written(tmp_path: Path) -> None:
    log = TrainingLog(tmp_path, 0)
    log.scalars(1, {"loss": 1.0})
    assert lines(tmp_path) == [{"step": 1, "loss": 1.0}]
    log.close()


def test_later_lines_are_dropped_when_an_earlier_step_is_gone_on_from(tmp_path: Path) -> None:
    write(tmp_path, 0, range(1, 7))
    write(tmp_path, 4, range(5, 9))
    assert [line["step"] for line in lines(tmp_path)] == list(range(1, 9))


@pytest.mark.parametrize("rest", ['{"step": 3, "lo', '{"loss": 1.0}\n', "[]\n", "\n"])
def test_a_line_that_was_cut_off_is_dropped(tmp_path: Path, rest: str) -> None:
    write(tmp_path, 0, range(1, 3))
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write(rest)
    write(tmp_path, 3, range(4, 5))
    assert [line["step"] for line in lines(tmp_path)] == [1, 2, 4]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_number_that_is_not_finite_is_null_in_the_metrics_and_not_in_tensorboard(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, value: float
) -> None:
    log = TrainingLog(tmp_path, 0)
    log.scalars(1, {"loss/of/this/test": value, "skipped": 1.0})
    log.close()
    assert lines(tmp_path) == [{"step": 1, "loss/of/this/test": None, "skipped": 1.0}]
    assert not caplog.records
    (events,) = (tmp_path / "tensorboard").iterdir()
    assert b"loss/of/this/test" not in events.read_bytes()


def test_lines_with_nulls_are_kept_when_training_goes_on(tmp_path: Path) -> None:
    log = TrainingLog(tmp_path, 0)
    log.scalars(1, {"loss": float("nan")})
    log.close()
    write(tmp_path, 1, range(2, 3))
    assert lines(tmp_path) == [{"step": 1, "loss": None}, {"step": 2, "loss": 1.0}]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a device that is full")
def test_a_full_disk_is_an_error_that_names_the_metrics(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").symlink_to("/dev/full")
    log = TrainingLog(tmp_path, 0)
    with pytest.raises(OSError, match="No space left on device") as error:
        log.scalars(1, {"loss": 1.0})
    assert error.value.filename == str(tmp_path / "metrics.jsonl")
    with pytest.raises(OSError, match="No space left on device"):
        log.close()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a device that is full")
def test_the_error_that_ended_training_is_the_one_that_is_heard_of(tmp_path: Path) -> None:
    def train() -> None:
        (tmp_path / "metrics.jsonl").symlink_to("/dev/full")
        with TrainingLog(tmp_path, 0) as log:
            with contextlib.suppress(OSError):
                log.scalars(1, {"loss": 1.0})
            raise ValueError("The model has diverged.")

    with pytest.raises(ValueError, match="The model has diverged"):
        train()


@pytest.mark.parametrize("channels", [1, 3])
def test_tensorboard_has_scalars_and_pictures(tmp_path: Path, channels: int) -> None:
    log = TrainingLog(tmp_path, 0)
    log.scalars(1, {"loss/of/this/test": 1.0})
    log.images(1, "samples", torch.linspace(-0.6, 0.6, 2 * channels * 64).reshape(2, channels, 8, 8))
    log.close()
    (events,) = (tmp_path / "tensorboard").iterdir()
    content = events.read_bytes()
    assert b"loss/of/this/test" in content
    assert b"PNG" in content
