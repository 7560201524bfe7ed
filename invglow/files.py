"""Writing files so that a crash never leaves a half-written one, and hashing them. Standard library only."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["named", "replacing", "require_replaceable", "sha256_of_file"]

_SUFFIX = ".partial"  # of a file that is still being written


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path next to `path`; on success flush it to disk and rename it over `path`.

    If the block raises (also when the disk is full), the temporary file is removed and an earlier
    `path` stays as it was. A reader therefore sees the old content or the new, never a part.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with named(path):
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=_SUFFIX)
    os.close(handle)
    temporary = Path(name)
    try:
        with named(path):
            yield temporary
            _flush_to_disk(temporary)
            # mkstemp makes private files; a result is as readable as any other file of its owner.
            temporary.chmod(0o666 & ~_umask())
            temporary.replace(path)
            _flush_to_disk(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def named(path: Path) -> Iterator[None]:
    """Put a path into an error of the operating system that has none, as of a write to a full disk.

    It also takes the place of a temporary name, of which the caller has never heard.
    """
    try:
        yield
    except OSError as error:
        is_temporary = Path(error.filename or "").name.startswith(f".{path.name}.")
        if error.errno is not None and (error.filename is None or is_temporary):
            error.filename = str(path)
        raise


def require_replaceable(path: Path, what: str) -> None:
    """Refuse a file that `replacing` could not write later: before hours of computation, not after.

    Its folder is there afterwards, and nothing is left behind in it.

    Args:
        path: of the file, which may exist already.
        what: it is, as the user named it, such as "--output".

    Raises:
        OSError: naming what, the folder and the reason, such as a folder that is read only.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", suffix=_SUFFIX):
            pass
    except OSError as error:
        raise OSError(
            f"{what} cannot be written into {path.parent} ({error.strerror}): name another place."
        ) from error


def sha256_of_file(path: Path) -> str:
    """Return the hexadecimal SHA-256 of a file's content, read in blocks."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _flush_to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _umask() -> int:
    """Return the process's umask, which can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
