"""Published checkpoints as ordinary runs."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from invglow.checkpoints import save_checkpoint, write_config
from invglow.files import sha256_of_file
from invglow.legacy import Imported, read_published
from models.run_configs import versions

__all__ = ["import_run"]


def import_run(source: Path, run: Path, image_size: int | None = None) -> Imported:
    """Read a published checkpoint and write it as a run, in one go: a run is there whole or not at all.

    Args:
        source: a file or a folder, as `read_published` takes it.
        run: folder for the run, missing or empty.
        image_size: side of the images of a model on local patches (default: 32).

    Returns:
        what was imported.

    Raises:
        ValueError: the folder is not empty, the checkpoint cannot be imported (the sentence says why), or its
            images have another size than was given.
        OSError: a file is missing, or the run cannot be written.
    """
    if run.exists() and (not run.is_dir() or any(run.iterdir())):
        raise ValueError(f"{run} exists and is not empty: choose another folder for the run.")
    imported = read_published(source) if image_size is None else read_published(source, image_size)
    _require_size(imported, image_size)
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


def _require_size(imported: Imported, image_size: int | None) -> None:
    """Refuse a size that only files of models on local patches do not hold, where another one is held."""
    _, height, width = imported.config.image_shape
    if image_size is not None and {height, width} != {image_size}:
        raise ValueError(
            f"{imported.file} holds a model of images of {height}x{width}, asked for was {image_size}: only "
            "of models on local patches it can be chosen, so leave it out."
        )


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
        "versions": versions(),
    }
