"""Checkpoints whose content tells their step, and saves that are killed half way."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
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

__all__ = ["FILES", "assert_whole", "save", "save_killed", "weights", "write_half"]

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


def write_half(tensors: dict[str, Tensor], path: Path) -> None:
    """Write the first half of the file that the tensors would make."""
    content = safetensors.torch.save(tensors)
    path.write_bytes(content[: len(content) // 2])
