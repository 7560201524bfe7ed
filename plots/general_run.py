"""Which general model a run is compared with, as `main.py evaluate` chooses it, read from the run alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from invglow.run_config import CONFIG, read_config, read_json
from invglow.sections import TEXT, WHOLE, read_section

__all__ = ["general_run_of"]

_EQUALLY_TRAINED, _CHECKPOINT, _WEIGHTS = "general", "checkpoint.json", "model.safetensors"


def general_run_of(run: Path) -> Path | None:
    """Return DIR/general if it is trained to its end, else the base of `run`, else None.

    Raises:
        FileNotFoundError: the base is recorded but no longer there.
        ValueError: its weights have changed since, or a file is damaged.
    """
    equally_trained = run / _EQUALLY_TRAINED
    if _is_finished(equally_trained):
        return equally_trained
    if read_config(run).get("origin") is None:
        return None
    if read_section(run, "origin", relation=TEXT)["relation"] != "base":
        return None
    origin = read_section(run, "origin", run=TEXT, sha256=TEXT)
    base = Path(origin["run"])
    if not (base / CONFIG).is_file():
        raise FileNotFoundError(
            f"The general run of {run} was {base}, which is not there any more: name it with --general."
        )
    if _checkpoint(base).get("sha256", {}).get(_WEIGHTS, origin["sha256"]) != origin["sha256"]:
        raise ValueError(
            f"The general run of {run} was {base}, whose weights have changed since: name with --general the "
            "one to compare with."
        )
    return base


def _is_finished(run: Path) -> bool:
    if not (run / CONFIG).is_file():
        return False
    return bool(_checkpoint(run).get("step") == read_section(run, "training", steps=WHOLE)["steps"])


def _checkpoint(run: Path) -> dict[str, Any]:
    """Return what a run records of its checkpoint; nothing where its weights were handed on alone."""
    path = run / _CHECKPOINT
    return read_json(path) if path.is_file() else {}
