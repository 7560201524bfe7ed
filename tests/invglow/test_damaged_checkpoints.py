"""Damaged checkpoints and full disks: an intact one is found, the damaged one named, nothing executed."""

from __future__ import annotations

import itertools
import json
import os
import pickle
import re
import resource
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from invglow import checkpoints
from invglow.checkpoints import (
    load_training_state,
    load_weights,
    newest_checkpoint,
    save_checkpoint,
    weights_sha256,
)
from invglow.files import sha256_of_file
from tests.invglow.data.examples import Trap
from tests.invglow.saved_checkpoints import (
    FILES,
    assert_whole,
    save,
    save_killed,
    write_half,
)

EMPTY_ARCHIVE = b"PK\x05\x06" + bytes(18)


@pytest.fixture(autouse=True)
def _fast_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)  # nothing here loses power


# --- damage ------------------------------------------------------------------------------------


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-5])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def change_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x80
    path.write_bytes(content)


def remove(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize("harm", [truncate, empty, change_a_byte, remove])
@pytest.mark.parametrize("name", FILES)
def test_a_damaged_newest_checkpoint_is_named_and_passed_over(
    tmp_path: Path, name: str, harm: Callable[[Path], None]
) -> None:
    save(tmp_path, 1)
    save(tmp_path, 2)
    harm(tmp_path / name)
    assert assert_whole(tmp_path, {1}) == 1
    checkpoint = newest_checkpoint(tmp_path)
    assert checkpoint is not None
    (problem,) = checkpoint.problems
    assert "damaged" in problem
    assert str(tmp_path / name) in problem
    with pytest.raises(
        ValueError, match=r"The one of step 1 is intact: start the same `train` command"
    ) as error:
        load_weights(tmp_path)
    assert str(tmp_path / name) in str(error.value)


@pytest.mark.parametrize("harm", [truncate, empty, change_a_byte, remove])
@pytest.mark.parametrize("name", FILES)
def test_damage_without_one_before_is_refused(
    tmp_path: Path, name: str, harm: Callable[[Path], None]
) -> None:
    save(tmp_path, 1)
    harm(tmp_path / name)
    for read in (newest_checkpoint, load_weights, weights_sha256):
        with pytest.raises(
            ValueError, match=f"{re.escape(str(tmp_path / name))} .*No intact checkpoint is left"
        ):
            read(tmp_path)


@pytest.mark.parametrize("name", FILES)
def test_damage_of_the_one_before_is_no_problem(tmp_path: Path, name: str) -> None:
    save(tmp_path, 1)
    save(tmp_path, 2)
    truncate(tmp_path / "previous" / name)
    checkpoint = newest_checkpoint(tmp_path)
    assert checkpoint is not None
    assert (checkpoint.step, checkpoint.problems) == (2, ())


@pytest.mark.parametrize(
    "manifest", [[], {}, {"step": 3}, {"step": "3", "sha256": {}}, {"step": 3, "sha256": {"other": "0"}}]
)
def test_a_manifest_that_says_something_else_counts_as_damaged(tmp_path: Path, manifest: object) -> None:
    save(tmp_path, 1)
    save(tmp_path, 2)
    (tmp_path / "checkpoint.json").write_text(json.dumps(manifest))
    checkpoint = newest_checkpoint(tmp_path)
    assert checkpoint is not None
    assert checkpoint.step == 1
    assert str(tmp_path / "checkpoint.json") in checkpoint.problems[0]


def test_training_goes_on_over_a_damaged_checkpoint(tmp_path: Path) -> None:
    for step in (1, 2):
        save(tmp_path, step)
    truncate(tmp_path / "checkpoint.json")
    for step in (2, 3):
        save(tmp_path, step)
        assert assert_whole(tmp_path, {step}) == step
    truncate(tmp_path / "model.safetensors")
    assert assert_whole(tmp_path, {2}) == 2


@pytest.mark.parametrize("harm", [truncate, empty, change_a_byte, remove])
@pytest.mark.parametrize("name", FILES)
def test_a_damaged_checkpoint_never_takes_the_place_of_an_intact_one(
    tmp_path: Path, name: str, harm: Callable[[Path], None]
) -> None:
    """Damage, a save that is killed at any moment, damage again: the one that was gone on from is left."""
    template = tmp_path / "damaged"
    save(template, 1)
    save(template, 2)
    harm(template / name)
    for operation in itertools.count():
        run = tmp_path / str(operation)
        shutil.copytree(template, run)
        killed = save_killed(run, 3, operation)
        assert assert_whole(run, {1, 3}) == 3 or killed
        if (run / name).exists():
            truncate(run / name)
        shutil.rmtree(run / "incoming", ignore_errors=True)
        assert assert_whole(run, {1}) == 1
        if not killed:
            break


# --- nothing is executed -----------------------------------------------------------------------


def replace_file(run: Path, name: str, content: bytes) -> None:
    """Put in another file and make the checksum fit."""
    (run / name).write_bytes(content)
    manifest = json.loads((run / "checkpoint.json").read_text())
    manifest["sha256"][name] = sha256_of_file(run / name)
    (run / "checkpoint.json").write_text(json.dumps(manifest))


def torch_pickle(content: object, folder: Path) -> bytes:
    torch.save(content, folder / "pickled")
    return (folder / "pickled").read_bytes()


@pytest.mark.parametrize("plain", [True, False])
def test_a_training_state_that_would_run_code_is_refused_by_name(tmp_path: Path, plain: bool) -> None:
    save(tmp_path / "run", 1)
    marker = tmp_path / "executed"
    trap = Trap(marker)
    replace_file(
        tmp_path / "run", "training_state.pt", pickle.dumps(trap) if plain else torch_pickle(trap, tmp_path)
    )
    checkpoint = newest_checkpoint(tmp_path / "run")
    assert checkpoint is not None
    with pytest.raises(ValueError, match=r"training_state.pt is refused: it ") as error:
        load_training_state(checkpoint)
    assert not marker.exists()
    assert plain or "(it asks for " in str(error.value)
    assert not any(advice in str(error.value) for advice in ("trust", "weights_only", "can still be loaded"))


@pytest.mark.parametrize("content", [b"", b"nothing", b"PK\x03\x04" + bytes(40), EMPTY_ARCHIVE])
def test_a_training_state_that_is_none_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    save(tmp_path, 1)
    replace_file(tmp_path, "training_state.pt", content)
    checkpoint = newest_checkpoint(tmp_path)
    assert checkpoint is not None
    with pytest.raises(ValueError, match=r"training_state.pt is refused"):
        load_training_state(checkpoint)


@pytest.mark.parametrize("bare", [True, False])
@pytest.mark.parametrize("plain", [True, False])
def test_weights_that_are_a_pickle_are_refused_by_name(tmp_path: Path, plain: bool, bare: bool) -> None:
    run, marker = tmp_path / "run", tmp_path / "executed"
    save(run, 1)
    trap = Trap(marker)
    replace_file(run, "model.safetensors", pickle.dumps(trap) if plain else torch_pickle(trap, tmp_path))
    if bare:
        (run / "checkpoint.json").unlink()
        (run / "training_state.pt").unlink()
        (run / "previous").rmdir()
    with pytest.raises(
        ValueError, match=r"model.safetensors is a pickle, not a safetensors file: it is refused"
    ):
        load_weights(run)
    assert not marker.exists()


@pytest.mark.parametrize("length", [0, 5, 60, -1])
def test_truncated_weights_without_a_checksum_are_refused_by_name(tmp_path: Path, length: int) -> None:
    save(tmp_path / "run", 1)
    content = (tmp_path / "run" / "model.safetensors").read_bytes()
    bare = tmp_path / "model.safetensors"
    bare.write_bytes(content[:length])
    with pytest.raises(ValueError, match=r"model.safetensors is truncated or not a safetensors file"):
        load_weights(tmp_path)


# --- a disk that is full -----------------------------------------------------------------------


@pytest.mark.parametrize("name", FILES)
def test_a_full_disk_leaves_the_earlier_checkpoints_and_nothing_else(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path, 1)
    save(tmp_path, 2)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with monkeypatch.context() as patch:
        fill_disk_at(patch, name)
        with pytest.raises(OSError, match="No space left on device") as error:
            save(tmp_path, 3)
    assert str(error.value.filename).endswith(name)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    assert not (tmp_path / "incoming").exists()
    save(tmp_path, 3)
    assert assert_whole(tmp_path, {3}) == 3


def test_a_file_that_may_not_grow_is_named_with_what_the_system_says(tmp_path: Path) -> None:
    """For once the system itself refuses, through the library that writes tensors."""
    save(tmp_path, 1)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 12, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large") as error:
            save_checkpoint(tmp_path, 2, {"large": torch.zeros(1 << 12)}, {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert str(error.value.filename) == str(tmp_path / "incoming" / "model.safetensors")
    assert not (tmp_path / "incoming").exists()
    assert assert_whole(tmp_path, {1}) == 1


def fill_disk_at(patch: pytest.MonkeyPatch, name: str) -> None:
    """Let the write of the file of this name fail half-way, as on a full disk."""
    save_tensors = safetensors.torch.save_file

    def failing_save(tensors: dict[str, Tensor], path: Path) -> None:
        if name not in path.name:
            save_tensors(tensors, path)
            return
        write_half(tensors, path)
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    patch.setattr(checkpoints, "save_file", failing_save)
    for method in ("write_bytes", "write_text"):
        real = getattr(Path, method)

        def failing(path: Path, content: Any, real: Callable[..., Any] = real) -> Any:
            if name not in path.name:
                return real(path, content)
            real(path, content[: len(content) // 2])
            raise OSError(28, os.strerror(28))

        patch.setattr(Path, method, failing)
