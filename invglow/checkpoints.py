"""A run folder's configuration and checkpoints: written whole, verified when read, never a pickle executed.

A run holds `config.json`, the newest checkpoint (`model.safetensors`, `training_state.pt` and
`checkpoint.json`, which names the step and the SHA-256 of the other two) and in `previous/` the
checkpoint before. A new checkpoint is first completed in `incoming/`; then its files are renamed
one by one. Files are found by their checksum, so that at whichever moment the process is killed
a complete checkpoint is there.
"""

from __future__ import annotations

import errno
import io
import json
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from invglow.files import replacing, sha256_of_file
from invglow.reading import read_state, read_tensors
from invglow.run_config import CONFIG, read_config, read_json, write_config

__all__ = [
    "CONFIG",
    "TRAINING_STATE",
    "WEIGHTS",
    "Checkpoint",
    "load_training_state",
    "load_weights",
    "newest_checkpoint",
    "read_config",
    "save_checkpoint",
    "weights_sha256",
    "write_config",
]

MANIFEST = "checkpoint.json"
WEIGHTS, TRAINING_STATE = "model.safetensors", "training_state.pt"
# Where a file of a checkpoint may lie, in the order in which it moves: the newest checkpoint comes first.
PLACES = ("incoming", ".", "previous")


class _Manifest(TypedDict):
    step: int
    sha256: dict[str, str]


@dataclass(frozen=True)
class Checkpoint:
    """A complete, verified checkpoint of a run.

    Attributes:
        step: training steps done.
        files: path of each of its files by name, wherever in the run it lies.
        sha256: checksum of each of its files by name.
        problems: sentences about newer checkpoints that were damaged and passed over.
    """

    step: int
    files: Mapping[str, Path]
    sha256: Mapping[str, str]
    problems: tuple[str, ...] = ()


def save_checkpoint(
    run: Path, step: int, weights: Mapping[str, Tensor], training_state: Mapping[str, Any]
) -> None:
    """Write a checkpoint and keep the one before it in `previous/`.

    Raises:
        OSError: if the disk is full or the folder read-only; the earlier checkpoints are then intact.
    """
    incoming = run / PLACES[0]
    if (incoming / MANIFEST).exists():  # complete, but a kill came before all of it was moved
        _rotate(run)
    shutil.rmtree(incoming, ignore_errors=True)
    try:
        _write_files(incoming, step, weights, training_state)
    except BaseException:
        shutil.rmtree(incoming, ignore_errors=True)
        raise
    _rotate(run)


def newest_checkpoint(run: Path) -> Checkpoint | None:
    """Find the newest complete checkpoint of a run, or None where none was ever written.

    Damaged newer ones are passed over and described in `problems`.

    Raises:
        ValueError: if there are checkpoints but every one is damaged.
    """
    problems: list[str] = []
    for place in PLACES:
        try:
            manifest = _manifest_in(run, place)
        except ValueError as error:
            problems.append(f"The newest checkpoint is damaged: {error}")
            continue
        if manifest is None:
            continue
        files, missing = _locate(run, manifest["sha256"])
        if not missing:
            return Checkpoint(manifest["step"], files, manifest["sha256"], tuple(problems))
        names = ", ".join(str(run / name) for name in missing)
        problems.append(
            f"The checkpoint of step {manifest['step']} is damaged: {names} is missing, truncated or changed "
            f"(its SHA-256 differs from the one in {MANIFEST})."
        )
    if problems:
        raise ValueError(" ".join(problems) + " No intact checkpoint is left: train again in a new folder.")
    return None


def load_weights(run: Path) -> dict[str, Tensor]:
    """Read the newest weights of a run, verified.

    Raises:
        FileNotFoundError: if the run holds no weights.
        ValueError: if the newest weights are damaged, or are not a safetensors file.
    """
    checkpoint = newest_checkpoint(run)
    if checkpoint is None:
        return read_tensors(_bare_weights(run))
    if checkpoint.problems:
        raise ValueError(
            f"{checkpoint.problems[0]} The one of step {checkpoint.step} is intact: start the same "
            f"`train` command again to go on from it."
        )
    return read_tensors(checkpoint.files[WEIGHTS])


def weights_sha256(run: Path) -> str:
    """Return the SHA-256 of the newest weights of a run: the model's name in what is computed from it."""
    checkpoint = newest_checkpoint(run)
    return checkpoint.sha256[WEIGHTS] if checkpoint else sha256_of_file(_bare_weights(run))


def load_training_state(checkpoint: Checkpoint) -> dict[str, Any]:
    """Read optimizer and counters of a checkpoint.

    Raises:
        ValueError: the file holds anything but tensors, numbers and texts; nothing of it was executed.
    """
    return read_state(checkpoint.files[TRAINING_STATE])


def _write_files(
    folder: Path, step: int, weights: Mapping[str, Tensor], training_state: Mapping[str, Any]
) -> None:
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}
    with replacing(folder / WEIGHTS) as path:
        _write_tensors(path, tensors)
    with replacing(folder / TRAINING_STATE) as path:
        path.write_bytes(_torch_bytes(training_state))
    sha256 = {name: sha256_of_file(folder / name) for name in (WEIGHTS, TRAINING_STATE)}
    # Written last: with it the checkpoint is complete.
    with replacing(folder / MANIFEST) as path:
        path.write_text(json.dumps({"step": step, "sha256": sha256}, indent=2) + "\n")


def _write_tensors(path: Path, tensors: dict[str, Tensor]) -> None:
    """Write tensors from where they lie; made in memory first, the file would take twice its size there."""
    try:
        save_file(tensors, path)
    except SafetensorError as error:  # of the operating system, whose number is at the end of the sentence
        found = re.search(r"(?:os error|code:) (\d+)", str(error))
        number = int(found[1]) if found else errno.EIO
        raise OSError(number, os.strerror(number)) from error


def _torch_bytes(content: Mapping[str, Any]) -> bytes:
    buffer = io.BytesIO()
    torch.save(dict(content), buffer)
    return buffer.getvalue()


def _rotate(run: Path) -> None:
    """Rename newest -> previous, then incoming -> newest; a damaged newest one is replaced, never kept.

    A kill in between loses nothing, and another call does what is left.
    """
    incoming, newest, previous = (run / place for place in PLACES)
    previous.mkdir(exist_ok=True)
    # The manifest moves last, so where it is missing the first half was done before.
    if (newest / MANIFEST).exists() and _newest_is_whole(run):
        _move(newest, previous)
    _move(incoming, newest)
    shutil.rmtree(incoming)


def _newest_is_whole(run: Path) -> bool:
    """Return whether the newest checkpoint is intact, be it half moved to `previous/`."""
    _, newest, previous = PLACES
    try:
        manifest = _manifest_in(run, newest)
    except ValueError:
        return False
    return manifest is not None and not _locate(run, manifest["sha256"], (newest, previous))[1]


def _move(source: Path, target: Path) -> None:
    for name in (WEIGHTS, TRAINING_STATE, MANIFEST):
        if (source / name).exists():
            (source / name).replace(target / name)


def _manifest_in(run: Path, place: str) -> _Manifest | None:
    """Return the manifest of the checkpoint in a place, or None where there is no checkpoint."""
    path = run / place / MANIFEST
    if not path.is_file():
        if place == "." and _lacks_manifest(run):
            raise ValueError(f"{path} is missing.")
        return None
    manifest = read_json(path)
    step, sha256 = manifest.get("step"), manifest.get("sha256")
    if not isinstance(step, int) or not isinstance(sha256, dict) or set(sha256) != {WEIGHTS, TRAINING_STATE}:
        raise ValueError(f"{path} does not name a step and the checksums of its files.")
    return {"step": step, "sha256": sha256}


def _lacks_manifest(run: Path) -> bool:
    """Return whether files of a checkpoint are there that should have one; weights alone need none."""
    weights, state = (run / name for name in (WEIGHTS, TRAINING_STATE))
    return state.exists() or (weights.exists() and (run / PLACES[2]).exists())


def _bare_weights(run: Path) -> Path:
    """Return the weights of a run that never had a checkpoint, as somebody may hand them on."""
    path = run / WEIGHTS
    if not path.is_file():
        raise FileNotFoundError(f"There are no weights at {path}: the run has not been trained yet.")
    return path


def _locate(
    run: Path, sha256: Mapping[str, str], places: Sequence[str] = PLACES
) -> tuple[dict[str, Path], list[str]]:
    """Return where each file with its checksum lies, and the names of those that lie nowhere."""
    files: dict[str, Path] = {}
    for name, expected in sha256.items():
        candidates = (run / place / name for place in places)
        match = next(
            (path for path in candidates if path.is_file() and sha256_of_file(path) == expected), None
        )
        if match is not None:
            files[name] = match
    return files, [name for name in sha256 if name not in files]
