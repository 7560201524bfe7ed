"""Checkpoints: whatever happens to a file, and whenever, a whole one is found and nothing executed."""

from __future__ import annotations

import itertools
import os
import shutil
from pathlib import Path

import pytest
import torch

from invglow.checkpoints import (
    load_training_state,
    load_weights,
    newest_checkpoint,
    read_config,
    save_checkpoint,
    weights_sha256,
    write_config,
)
from tests.invglow.saved_checkpoints import (
    FILES,
    assert_whole,
    save,
    save_killed,
    weights,
)


@pytest.fixture(autouse=True)
def _fast_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)  # nothing here loses power


# --- writing and reading -----------------------------------------------------------------------


def test_a_checkpoint_comes_back_as_it_was(tmp_path: Path) -> None:
    tensors = {
        "strided": torch.rand(4, 6, 3, 3).to(memory_format=torch.channels_last),
        "transposed": torch.rand(5, 2).T,
        "whole": torch.arange(3),
        "scalar": torch.tensor(2.5),
    }
    state = {"optimizer": {"state": {0: {"step": torch.tensor(3.0)}}, "param_groups": [{"lr": 0.1}]}, "n": 7}
    save_checkpoint(tmp_path, 9, tensors, state)
    checkpoint = newest_checkpoint(tmp_path)
    assert checkpoint is not None
    assert (checkpoint.step, checkpoint.problems) == (9, ())
    torch.testing.assert_close(load_weights(tmp_path), tensors, rtol=0, atol=0)
    assert load_training_state(checkpoint) == state
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*FILES, "previous"])


def test_the_newest_and_the_one_before_are_kept(tmp_path: Path) -> None:
    for step in (1, 2, 3):
        save(tmp_path, step)
    assert assert_whole(tmp_path, {3}) == 3
    shutil.rmtree(tmp_path / "previous")
    assert assert_whole(tmp_path, {3}) == 3


def test_where_nothing_was_trained_there_is_no_checkpoint(tmp_path: Path) -> None:
    assert newest_checkpoint(tmp_path) is None
    for read in (load_weights, weights_sha256):
        with pytest.raises(FileNotFoundError, match=r"no weights at .*: the run has not been trained yet"):
            read(tmp_path)


def test_weights_alone_can_be_handed_on(tmp_path: Path) -> None:
    save(tmp_path / "run", 5)
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(tmp_path / "run" / "model.safetensors", other)
    torch.testing.assert_close(load_weights(other), weights(5))
    assert weights_sha256(other) == weights_sha256(tmp_path / "run")
    assert newest_checkpoint(other) is None


# --- a kill at every moment --------------------------------------------------------------------


def test_a_kill_at_any_moment_leaves_a_whole_checkpoint(tmp_path: Path) -> None:
    for operation in itertools.count():
        run = tmp_path / str(operation)
        save(run, 1)
        save(run, 2)
        if not save_killed(run, 3, operation):
            break
        found = assert_whole(run, {2, 3})
        save(run, 4)
        assert assert_whole(run, {4}) == 4
        (run / "checkpoint.json").unlink()
        assert assert_whole(run, {found}) == found, f"the one before was lost after a kill at {operation}"
    assert operation > 15  # three files written, six renamed, folders made and removed


def test_a_kill_after_a_kill_leaves_a_whole_checkpoint(tmp_path: Path) -> None:
    for first in range(1, 20, 3):
        template = tmp_path / str(first)
        save(template, 1)
        save(template, 2)
        save_killed(template, 3, first)
        found = assert_whole(template, {2, 3})
        for second in itertools.count():
            run = tmp_path / f"{first}-{second}"
            shutil.copytree(template, run)
            if not save_killed(run, 4, second):
                break
            assert_whole(run, {found, 4})


def test_a_kill_in_the_very_first_save_leaves_none_or_it(tmp_path: Path) -> None:
    for operation in range(20):
        run = tmp_path / str(operation)
        save_killed(run, 1, operation)
        checkpoint = newest_checkpoint(run)
        assert checkpoint is None or checkpoint.step == 1
        save(run, 2)
        assert assert_whole(run, {2}) == 2


# --- config.json -------------------------------------------------------------------------------


def test_the_configuration_comes_back(tmp_path: Path) -> None:
    write_config(tmp_path / "run", {"model": {"family": "glow"}, "seed": 3})
    assert read_config(tmp_path / "run") == {"format_version": 1, "model": {"family": "glow"}, "seed": 3}


def test_a_folder_without_one_is_not_a_run(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"is not a run folder: it holds no config.json"):
        read_config(tmp_path)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ('{"format_version": 1, "mo', "config.json is truncated or not JSON"),
        ("\x00\x01", "config.json is truncated or not JSON"),
        ("[1, 2]", "config.json must hold a JSON object, got list"),
        ('{"format_version": 2}', "has format version 2, this library reads 1"),
        ("{}", "has format version None, this library reads 1"),
    ],
)
def test_a_configuration_that_cannot_be_used_is_refused(tmp_path: Path, content: str, sentence: str) -> None:
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(ValueError, match=sentence):
        read_config(tmp_path)
