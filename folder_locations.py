"""Where things are on this machine: an environment variable, or else a folder below the working directory."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["data_folder", "figures_folder", "runs_folder", "tiny_folder"]


def data_folder() -> Path:
    """Where data sets live and decoded copies are kept: INVGLOW_DATA, or ./data."""
    return _folder("INVGLOW_DATA", "data")


def runs_folder() -> Path:
    """Where training runs are written: INVGLOW_RUNS, or ./runs."""
    return _folder("INVGLOW_RUNS", "runs")


def figures_folder() -> Path:
    """Where figures are drawn: INVGLOW_FIGURES, or ./figures."""
    return _folder("INVGLOW_FIGURES", "figures")


def tiny_folder() -> Path:
    """Where create_tiny.py builds the general set and `tiny` is read from: `tiny` in the data folder."""
    return data_folder() / "tiny"


def _folder(variable: str, default: str) -> Path:
    return Path(os.environ.get(variable) or default).expanduser().absolute()
