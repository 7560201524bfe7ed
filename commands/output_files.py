"""Files that a command writes: looked at before hours of computation, not after."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from invglow.files import replacing, require_replaceable

__all__ = ["require_json", "require_writable", "write_table"]


def require_json(path: Path | None) -> None:
    """Refuse a table's JSON file that has the name of the CSV beside it.

    Raises:
        ValueError: naming it.
    """
    if path is not None and path.suffix == ".csv":
        raise ValueError(f"--json names the JSON file, and the CSV is written beside it; got {path}.")


def write_table(path: Path, entries: Any, csv_text: str) -> None:
    """Write a table as JSON at `path` and as CSV beside it, each whole or not at all, and say so."""
    csv = path.with_suffix(".csv")
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(entries, indent=2) + "\n")
    with replacing(csv) as temporary:
        temporary.write_text(csv_text)
    print(f"Written: {path} and {csv}")


def require_writable(path: Path, suffix: str, option: str) -> None:
    """Refuse a file that cannot be written later; nothing is left behind.

    Args:
        path: of the file, which may exist already.
        suffix: that it must have, such as ".csv".
        option: what the user named it with, such as "--output".

    Raises:
        ValueError: the name ends otherwise, or is that of a folder.
        OSError: its folder is not there, or no file can be made in it.
    """
    if path.suffix.lower() != suffix:
        raise ValueError(f"{option} must name a {suffix} file, got {path}.")
    if path.is_dir():
        raise ValueError(f"{option} must name a file, but {path} is a folder.")
    if not path.parent.is_dir():
        raise FileNotFoundError(
            f"{option} is to be written into {path.parent}, which is not a folder: make it, or name another."
        )
    require_replaceable(path, option)
