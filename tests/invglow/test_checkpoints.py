"""Checkpoints: whatever happens to a file, and whenever, a whole one is found and nothing executed."""

from __future__ import annotations

import itertools
import json
import os
import pickle
import re
import resource
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
    read_config,
    save_checkpoint,
    weights_sha256,
    write_config,
)
from invglow.files import sha256_of_file
from tests.invglow.data.examples import Trap

EMPTY_ARCHIVE = b"PK\x05\x06" + bytes(18)
FILES = ("model.safetensors", "training_state.pt", "checkpoint.json")
# Everything by which a checkpoint gets onto the disk, down to the system call or close to it.
OPERATIONS = [
    (os, "replace"),
    (os, "unlink"),
    (os, "rmdir"),
    (os, "mkdir"),
    (checkpoints, "save_file"),
    (Path, "write_bytes"),
    (Path, "write_text"),
]


@pytest.fixture(autouse=True)
def _fast_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)  # nothing here loses power


def save(run: Path, step: int) -> None:
    save_checkpoint(run, step, weights(step), {"step": step, "moments": [torch.full((3,), float(step))]})


def weights(step: int) -> dict[str, Tensor]:
    return {"layer.weight": torch.full((2, 3), float(step)), "bias": torch.arange(4) * 0.5}


def assert_whole(run: Path, steps: set[int]) -> int:
    """Check that the newest intact checkpoint is all of one of these steps, and return that step."""
    checkpoint = newest_checkpoint(run)
    assert checkpoint is not None
    assert checkpoint.step in steps
    assert load_training_state(checkpoint)["moments"][0].tolist() == [checkpoint.step] * 3
    if not checkpoint.problems:
        torch.testing.assert_close(load_weights(run), weights(checkpoint.step), rtol=0, atol=0)
    assert weights_sha256(run) == sha256_of_file(checkpoint.files["model.safetensors"])
    return checkpoint.step


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


class Killed(BaseException):
    """Stands for SIGKILL: after it, nothing is written any more, whatever handlers try."""


@contextmanager
def killed_before(operation: int) -> Iterator[None]:
    """Let the process die instead of its n-th operation on files, from 0; a write is then half done."""
    count = 0

    def dying(real: Callable[..., Any], name: str) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal count
            count += 1
            if count <= operation:
                return real(*args, **kwargs)
            if count == operation + 1 and name.startswith("write"):
                real(args[0], args[1][: len(args[1]) // 2])
            if count == operation + 1 and name == "save_file":
                write_half(*args)
            raise Killed

        return call

    with pytest.MonkeyPatch.context() as patch:
        for owner, name in OPERATIONS:
            patch.setattr(owner, name, dying(getattr(owner, name), name))
        yield


def save_killed(run: Path, step: int, operation: int) -> bool:
    """Save a checkpoint and return whether that was killed before its n-th operation."""
    try:
        with killed_before(operation):
            save(run, step)
    except Killed:
        return True
    return False


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


def write_half(tensors: dict[str, Tensor], path: Path) -> None:
    """Write the first half of the file that the tensors would make."""
    content = safetensors.torch.save(tensors)
    path.write_bytes(content[: len(content) // 2])


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
