"""What a training recorded in `metrics.jsonl`, as curves over steps."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from invglow.sections import TEXT, WHOLE, read_section
from plots.bounds import BOUNDED

__all__ = ["Curve", "TrainingMetrics", "read_training_metrics"]

_METRICS, _STEP = "metrics.jsonl", "step"


@dataclass(frozen=True)
class Curve:
    """Values over optimizer steps, both (N,); values that were not finite are NaN."""

    steps: NDArray[np.int64]
    values: NDArray[np.float64]

    def finite(self) -> Curve:
        """Return the same without the values that are not finite."""
        kept = np.isfinite(self.values)
        return Curve(self.steps[kept], self.values[kept])

    @property
    def nonfinite(self) -> int:
        """How many values were not finite."""
        return int(np.count_nonzero(~np.isfinite(self.values)))


@dataclass(frozen=True)
class TrainingMetrics:
    """All curves of a run.

    Attributes:
        run: its name.
        dataset: what it was trained on.
        batch_size: images per step.
        curves: {name: curve}, as in the file: "bits_per_dim/batch", "bits_per_dim/test", "auroc/SET", ...
        bounded: whether bits per dimension are an upper bound, by an ELBO.
    """

    run: str
    dataset: str
    batch_size: int
    curves: Mapping[str, Curve]
    bounded: bool = False

    def bound_on(self, quantity: str) -> str:
        """Return what to say after the name of a quantity that is a bound; empty where it is none."""
        return "(upper bound, ELBO)" if self.bounded and quantity == "bits_per_dim" else ""

    def of(self, quantity: str) -> dict[str, Curve]:
        """Return {set: curve} of one quantity, what is before the first slash of the names."""
        prefix = f"{quantity}/"
        return {name.removeprefix(prefix): c for name, c in self.curves.items() if name.startswith(prefix)}


def read_training_metrics(run: Path, name: str | None = None) -> TrainingMetrics:
    """Read the metrics of a run folder, which may still be training.

    Args:
        run: the folder.
        name: what to call the run; without it, the folder's name.

    Raises:
        FileNotFoundError: there is no such run, or nothing was recorded.
        ValueError: a file is damaged, or the run was not trained here.
    """
    dataset = read_section(run, "data", name=TEXT)["name"]
    batch_size = read_section(run, "training", batch_size=WHOLE)["batch_size"]
    family = read_section(run, "model", family=TEXT)["family"]
    path = run / _METRICS
    if not path.is_file():
        raise FileNotFoundError(f"There is no {path}: main.py train writes it while it trains.")
    found: dict[str, list[tuple[int, float]]] = {}
    for step, values in _lines(path):
        for key, value in values.items():
            found.setdefault(key, []).append((step, value))
    curves = {key: Curve(*map(np.array, zip(*pairs, strict=True))) for key, pairs in found.items()}
    return TrainingMetrics(name or run.name, dataset, batch_size, curves, family in BOUNDED)


def _lines(path: Path) -> list[tuple[int, dict[str, float]]]:
    """Return step and values of every line; a last line that is still being written is left out."""
    text = path.read_text(encoding="utf-8")
    whole = text[: text.rfind("\n") + 1].splitlines()
    found = []
    for number, line in enumerate(whole, start=1):
        try:
            entries: dict[str, Any] = json.loads(line)
            step = int(entries.pop(_STEP))
            found.append((step, {key: math.nan if v is None else float(v) for key, v in entries.items()}))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"Line {number} of {path} holds no metrics: restore the file.") from error
    if not found:
        raise ValueError(f"{path} holds no metrics yet: train for at least --log-every steps.")
    return found
