"""Calling main.py as a user does, and small images to call it with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import main

__all__ = [
    "SHORT",
    "TINY",
    "Call",
    "Hierarchy",
    "Outcome",
    "files",
    "newest_results",
    "save_images",
    "train_hierarchy",
]

TINY = ("--scales", "2", "--steps-per-scale", "1", "--hidden-channels", "4")
SHORT = ("--steps", "4", "--batch-size", "8", "--log-every", "1")


@dataclass(frozen=True)
class Outcome:
    """What a command returned and printed."""

    code: int
    out: str
    err: str

    def refusal(self) -> str:
        """Return the one sentence with which the command refused what it was given, on one line."""
        assert self.code == 2, self.err
        (line,) = self.err.strip().splitlines()
        assert line.startswith("error: ")
        assert "Traceback" not in self.out + self.err
        return line.removeprefix("error: ")


class Call:
    """Runs main.py, or another program, inside this process."""

    def __init__(
        self, capsys: pytest.CaptureFixture[str], program: Callable[[Sequence[str]], int] = main.main
    ) -> None:
        self._capsys = capsys
        self._program = program

    def __call__(self, *arguments: str | Path) -> Outcome:
        self._capsys.readouterr()
        code = self._program([str(argument) for argument in arguments])
        out, err = self._capsys.readouterr()
        return Outcome(code, out, err)


@dataclass(frozen=True)
class Hierarchy:
    """A general run, a run fine-tuned from it, and the sets to tell apart; all of it small.

    Attributes:
        folder: holds everything.
        general: run on images with pixels of all values.
        specific: run on dark images, fine-tuned from `general`, equally trained.
        wide: what `general` was trained on, an array of 24 images.
        inside: dark images, a folder of arrays: 16 to train on, 50 to test.
        outside: bright images, an array of 10.
    """

    folder: Path

    @property
    def general(self) -> Path:
        return self.folder / "runs" / "general"

    @property
    def specific(self) -> Path:
        return self.folder / "runs" / "specific"

    @property
    def wide(self) -> str:
        return f"array:{self.folder / 'data' / 'wide.npy'}"

    @property
    def inside(self) -> str:
        return f"array:{self.folder / 'data' / 'inside'}"

    @property
    def outside(self) -> str:
        return f"array:{self.folder / 'data' / 'outside.npy'}"


def save_images(
    path: Path,
    count: int,
    *,
    size: int = 8,
    channels: int = 3,
    seed: int = 0,
    values: tuple[int, int] = (0, 256),
) -> str:
    """Save random images with pixels from a range, and return them as an argument for --data."""
    pixels = np.random.default_rng(seed).integers(*values, (count, size, size, channels), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, pixels)
    return f"array:{path}"


def train_hierarchy(folder: Path) -> Hierarchy:
    """Train the two runs in a folder."""
    found = Hierarchy(folder)
    data = folder / "data"
    save_images(data / "wide.npy", 24)
    save_images(data / "inside" / "train.npy", 16, seed=1, values=(0, 80))
    save_images(data / "inside" / "test.npy", 50, seed=2, values=(0, 80))
    save_images(data / "outside.npy", 10, seed=3, values=(170, 256))
    general = ["--data", found.wide, "--run", str(found.general)]
    specific = ["--data", found.inside, "--run", str(found.specific), "--base", str(found.general)]
    assert main.main(["train", *general, *SHORT, *TINY]) == 0
    assert main.main(["train", *specific, *SHORT, "--evaluate-on", found.outside]) == 0
    return found


def newest_results(run: Path) -> Path:
    """Return the JSON file of the last evaluation that was written into a run."""
    return max(run.glob("evaluation-*.json"), key=lambda path: path.stat().st_mtime_ns)


def files(folder: Path) -> dict[Path, bytes]:
    """Return the content of every file below a folder."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
