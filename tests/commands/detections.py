"""Commands that detect, what they write, and pictures to detect in."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from anomaly_methods.statistics import Statistics
from tests.commands.calls import Hierarchy

__all__ = ["column", "command", "pictures", "statistics_of", "table"]


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def column(path: Path, name: str) -> NDArray[np.float64]:
    return np.array([float(row[name]) for row in table(path)])


def command(hierarchy: Hierarchy, *more: str | Path, images: str = "") -> tuple[str | Path, ...]:
    """Return the command for a hierarchy, which writes scores.csv into the hierarchy's folder."""
    output = ("--output", hierarchy.folder / "scores.csv")
    return ("detect", "--run", hierarchy.specific, "--images", images or hierarchy.outside, *output, *more)


def statistics_of(run: Path, name: str) -> Statistics:
    (path,) = (run / "statistics").glob(f"*{name}*likelihood.npz")
    return Statistics.load(path)


def pictures(folder: Path, count: int, first: int = 0) -> str:
    """Save noisy pictures, and return them as an argument for --images."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(first, first + count):
        pixels = np.random.default_rng(number).integers(0, 256, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:03}.png")
    return f"folder:{folder}"
