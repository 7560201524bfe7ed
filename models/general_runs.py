"""The run whose model is the general one of another run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from invglow.checkpoints import newest_checkpoint, read_config, weights_sha256
from invglow.sections import TEXT, WHOLE, read_section

__all__ = ["EQUALLY_TRAINED", "general_run_of"]

EQUALLY_TRAINED = "general"
"""Folder, inside a fine-tuned run, of the general model trained on for as many steps."""


def general_run_of(run: Path) -> Path | None:
    """Return the general model of `run`: DIR/general if it is trained to its end, else its base, else None.

    Raises:
        FileNotFoundError: if it is recorded but no longer there.
        ValueError: if it is no longer the one that `run` was trained from.
    """
    equally_trained = run / EQUALLY_TRAINED
    if _is_finished(equally_trained):
        return equally_trained
    origin = _base_of(run)
    if origin is None:
        return None
    general = Path(origin["run"])
    if not general.is_dir():
        raise FileNotFoundError(
            f"The general run of {run} was {general}, which is not there any more: name it with --general."
        )
    if weights_sha256(general) != origin["sha256"]:
        raise ValueError(
            f"The general run of {run} was {general}, whose weights have changed since: name with --general "
            f"the one to compare with."
        )
    return general


def _base_of(run: Path) -> dict[str, Any] | None:
    """Return what a run records of the run it was fine-tuned from, or None where it was not."""
    if read_config(run).get("origin", ...) is None:
        return None
    is_base = read_section(run, "origin", relation=TEXT)["relation"] == "base"
    return read_section(run, "origin", run=TEXT, sha256=TEXT) if is_base else None


def _is_finished(run: Path) -> bool:
    checkpoint = newest_checkpoint(run)
    return checkpoint is not None and checkpoint.step == read_section(run, "training", steps=WHOLE)["steps"]
