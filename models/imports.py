"""Published checkpoints as ordinary runs."""

from __future__ import annotations

import os
import platform
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch

import invglow
from invglow.checkpoints import save_checkpoint, write_config
from invglow.files import sha256_of_file
from invglow.legacy import Imported, read_published

__all__ = ["import_run"]


def import_run(source: Path, run: Path, image_size: int = 32) -> Imported:
    """Read a published checkpoint and write it as a run, in one go: a run is there whole or not at all.

    Args:
        source: a file or a folder, as `read_published` takes it.
        run: folder for the run, missing or empty.
        image_size: side of the images of a model on local patches.

    Returns:
        what was imported.

    Raises:
        ValueError: the folder is not empty, or the checkpoint cannot be imported (the sentence says why).
        OSError: a file is missing, or the run cannot be written.
    """
    if run.exists() and (not run.is_dir() or any(run.iterdir())):
        raise ValueError(f"{run} exists and is not empty: choose another folder for the run.")
    imported = read_published(source, image_size)
    unfinished = run.parent / f".{run.name}.importing-{os.getpid()}"
    try:
        write_config(unfinished, _config_of(imported))
        weights = {f"flow.{name}": tensor for name, tensor in imported.tensors.items()}
        save_checkpoint(unfinished, 0, weights, {})
        unfinished.replace(run)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    return imported


def _config_of(imported: Imported) -> dict[str, Any]:
    shape = imported.config.image_shape
    return {
        "model": {"family": "glow", "settings": imported.config.to_json()},
        # What it was trained on is not in the file: commands that need it say so.
        "data": {
            "name": None,
            "split": None,
            "images": None,
            "image_shape": list(shape),
            "grey": shape[0] == 1,
            "sha256": None,
        },
        "training": {"steps": 0},
        "origin": None,
        "imported": {
            "from": str(imported.file.resolve()),
            "sha256": sha256_of_file(imported.file),
            "format": imported.form,
        },
        "versions": {
            "invglow": invglow.__version__,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
        },
    }
