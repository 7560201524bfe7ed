"""A run folder's `config.json`: written whole, and read without torch by all that only looks at results."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from invglow.files import replacing

__all__ = ["CONFIG", "read_config", "read_json", "write_config"]

FORMAT_VERSION = 1
CONFIG = "config.json"


def write_config(run: Path, config: Mapping[str, Any]) -> None:
    """Write `config.json` of a run."""
    with replacing(run / CONFIG) as path:
        path.write_text(json.dumps({"format_version": FORMAT_VERSION, **config}, indent=2) + "\n")


def read_config(run: Path) -> dict[str, Any]:
    """Read `config.json` of a run.

    Raises:
        FileNotFoundError: if `run` is not a run folder.
        ValueError: if the file is damaged or of a newer format.
    """
    path = run / CONFIG
    if not path.is_file():
        raise FileNotFoundError(
            f"{run} is not a run folder: it holds no {CONFIG}; train one with --run {run}."
        )
    config = read_json(path)
    if config.get("format_version") != FORMAT_VERSION:
        raise ValueError(
            f"{path} has format version {config.get('format_version')}, this library reads "
            f"{FORMAT_VERSION}: use the library version that wrote it."
        )
    return config


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        ValueError: the file is truncated, or holds something else.
    """
    try:
        content = json.loads(path.read_text())
    except ValueError as error:
        raise ValueError(f"{path} is truncated or not JSON ({error}).") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path} must hold a JSON object, got {type(content).__name__}.")
    return content
