"""Runs without a model, and statistics of sets that were never there, for the tests of figures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from anomaly_methods.statistics import Statistics, StatisticsMeta
from anomaly_methods.stored import Selection
from invglow.run_config import write_config

__all__ = ["LAYERS", "WEIGHTS", "gradients", "keep", "likelihood", "make_run"]

WEIGHTS = "0" * 64
LAYERS = tuple(
    f"flow.scales.0.steps.{step}.{part}" for step in range(2) for part in ("actnorm", "conv", "net")
)


def make_run(folder: Path, family: str = "glow") -> Path:
    """Make the folder of a finished run, without its weights."""
    write_config(folder, {"model": {"family": family, "settings": {}}, "training": {"steps": 3}})
    manifest = {"step": 3, "sha256": {"model.safetensors": WEIGHTS}}
    (folder / "checkpoint.json").write_text(json.dumps(manifest))
    return folder


def gradients(dataset: str, rows: int = 40, *, shift: float = 0.0, **meta: Any) -> Statistics:
    """Return squared gradient norms whose logarithms are normal, with mean 2 + `shift` and deviation 0.5."""
    random = np.random.default_rng(len(dataset) + rows)
    values = {name: np.exp(random.normal(2 + shift, 0.5, rows)) for name in LAYERS}
    details = {name: {"numel": 10} for name in LAYERS}
    return Statistics(values, _index(rows, meta), _meta("gradients", dataset, details=details, **meta))


def likelihood(dataset: str, rows: int = 40, *, bits: float = 4.0, **meta: Any) -> Statistics:
    """Return log-likelihoods of 3 x 8 x 8 images, normal around `bits` per dimension."""
    random = np.random.default_rng(len(dataset) + rows)
    log_prob = (8 - random.normal(bits, 0.1, rows)) * 192 * np.log(2)
    values = {"log_prob": log_prob, "log_prob.scale0": 0.7 * log_prob, "log_prob.scale1": 0.3 * log_prob}
    return Statistics(values, _index(rows, meta), _meta("likelihood", dataset, **meta))


def keep(statistics: Statistics, run: Path, selection: Selection | None = None) -> Path:
    """Save statistics where a run has them."""
    chosen = selection or Selection(group_size=statistics.meta.group_size)
    path = chosen.path(run, statistics.meta.dataset, statistics.meta.kind)
    path.parent.mkdir(parents=True, exist_ok=True)
    statistics.save(path)
    return path


def _index(rows: int, meta: dict[str, Any]) -> np.ndarray:
    return np.arange(rows) * int(meta.get("group_size", 1))


def _meta(kind: str, dataset: str, **changes: Any) -> StatisticsMeta:
    entries = {
        "kind": kind,
        "model": "run",
        "checkpoint_sha256": WEIGHTS,
        "bound": "exact",
        "dataset": dataset,
        "dataset_sha256": dataset,
        "split": "test",
        "image_shape": (3, 8, 8),
        "preprocessing": "none",
        **changes,
    }
    return StatisticsMeta(**entries)
