"""Files that a command will write: looked at before hours of computation, not after."""

from __future__ import annotations

import tempfile
from pathlib import Path

__all__ = ["require_writable"]


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
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}."):
            pass
    except OSError as error:
        raise OSError(
            f"{option} cannot be written into {path.parent} ({error.strerror}): name another folder."
        ) from error
