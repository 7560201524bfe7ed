"""A file that torch.save has written, in its zip format or in the older one, opened without executing it."""

from __future__ import annotations

import errno
import io
import struct
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import torch
from torch import Tensor

from invglow.legacy.records import RefusedError, StoredTensor
from invglow.legacy.unpickler import DAMAGED, RestrictedUnpickler, Storage

__all__ = ["Archive", "open_archive"]

# What the older format begins with, pickled, and the version that follows.
MAGIC, VERSION = 0x1950A86A20F9469CFC6C, 1001
ZIP, PICKLE = b"PK\x03\x04", b"\x80"
# How often a file may be read over, all tensors together, beyond what is small anyway.
MOST_READINGS, SMALL = 4, 1 << 20
BIG_ENDIAN = "its numbers are in big-endian order, which is not read here"


class Archive(ABC):
    """An open file: the object that was saved, and its tensors as they are asked for.

    Attributes:
        path: of the file.
        kind: in words, which of torch's formats it is in.
        root: the object, with `StoredTensor` in place of tensors and `Record` in place of objects.
        visited: parts of the object that were looked at so far.
        nonfinite: names of the tensors read so far that hold NaN or infinite values.
    """

    kind: str
    path: Path
    root: Any

    def __init__(self, path: Path) -> None:
        self.path = path
        self.visited = 0
        self._passed_over = 0
        self.nonfinite: list[str] = []

    @abstractmethod
    def _read(self, key: str, first: int, size: int) -> bytearray:
        """Return bytes of a storage, from one on; fewer where the file ends before."""

    def tensor(self, stored: StoredTensor) -> Tensor:
        """Read one tensor.

        Raises:
            ValueError: the file ends before it, is damaged, or does not hold it.
        """
        if stored.span == 0:
            return torch.empty(stored.shape, dtype=stored.dtype)
        item = stored.dtype.itemsize
        size = item * stored.span
        with _said_of(self.path):
            # How long a storage is, the file says itself: no memory is reserved for what cannot be there.
            held = size <= self.path.stat().st_size
            if held:
                self._require_few(item * stored.offset + size)
            content = self._read(stored.key, item * stored.offset, size) if held else bytearray()
            if len(content) != size:
                raise EOFError("the file ends before its tensors do")
        flat = torch.frombuffer(content, dtype=stored.dtype)
        return flat.as_strided(stored.shape, stored.stride)

    def _require_few(self, size: int) -> None:
        """Refuse tensors that lie over each other, so that a small file would be read again and again."""
        self._passed_over += size
        if self._passed_over > MOST_READINGS * (self.path.stat().st_size + SMALL):
            raise RefusedError(f"more than {MOST_READINGS} times the numbers that it holds")


class _ZipArchive(Archive):
    kind = "zip"

    def __init__(self, path: Path, file: IO[bytes]) -> None:
        super().__init__(path)
        self._archive = zipfile.ZipFile(file)
        names = [name for name in self._archive.namelist() if name.endswith("/data.pkl")]
        if len(names) != 1:
            raise ValueError("it is a zip archive, but not one of torch.save")
        self._folder = names[0].removesuffix("data.pkl")
        if self._content("byteorder", default=b"little") != b"little":
            raise ValueError(BIG_ENDIAN)
        self.root = RestrictedUnpickler(io.BytesIO(self._content("data.pkl"))).load()

    def _content(self, name: str, default: bytes | None = None) -> bytes:
        path = self._folder + name
        if default is not None and path not in self._archive.namelist():
            return default
        self._check_is_stored(path)
        return self._archive.read(path)

    def _read(self, key: str, first: int, size: int) -> bytearray:
        path = f"{self._folder}data/{key}"
        self._check_is_stored(path)
        with self._archive.open(path) as entry:
            entry.seek(first)
            return _filled(entry, size)

    def _check_is_stored(self, path: str) -> None:
        # Else a small file could unpack to a huge one.
        if self._archive.getinfo(path).compress_type != zipfile.ZIP_STORED:
            raise ValueError(f"{path} is compressed, which torch.save never does")


class _OldArchive(Archive):
    """Pickles in turn - magic number, version, system, object, keys of storages - then the storages."""

    kind = "older format"

    def __init__(self, path: Path, file: IO[bytes]) -> None:
        super().__init__(path)
        self._file = file
        for expected in (MAGIC, VERSION):
            if RestrictedUnpickler(file).load() != expected:
                raise ValueError("it is a pickle, but not one of torch.save")
        system = RestrictedUnpickler(file).load()
        if system.get("little_endian") is not True:
            raise ValueError(BIG_ENDIAN)
        unpickler = RestrictedUnpickler(file)
        self.root = unpickler.load()
        keys = RestrictedUnpickler(file).load()
        self._starts = dict(self._positions(keys, unpickler.storages))

    def _positions(self, keys: list[str], storages: dict[str, Storage]) -> Iterator[tuple[str, int]]:
        """Yield where the numbers of each storage begin, after their count."""
        position = self._file.tell()
        for key in keys:
            self._file.seek(position)
            (numel,) = struct.unpack("<q", self._file.read(8))
            storage = storages[key]
            if numel != storage.numel:
                raise ValueError(f"storage {key} has {numel} numbers, expected were {storage.numel}")
            yield key, position + 8
            position += 8 + numel * storage.dtype.itemsize
        # The last ones may be of tensors that nobody asks for: a file without them is truncated all the same.
        if self._file.seek(0, io.SEEK_END) < position:
            raise EOFError(f"{position} bytes were expected")

    def _read(self, key: str, first: int, size: int) -> bytearray:
        self._file.seek(self._starts[key] + first)
        return _filled(self._file, size)


@contextmanager
def open_archive(path: Path) -> Iterator[Archive]:
    """Open a file that torch.save has written; it must stay open while tensors are read.

    Raises:
        OSError: the file is missing or cannot be read.
        ValueError: it asks for anything but a model (the sentence says what; nothing was executed), is
            truncated or damaged, or is something else.
    """
    with path.open("rb") as file:
        head = file.read(4)
        file.seek(0)
        if head != ZIP and not head.startswith(PICKLE):
            raise ValueError(
                f"{path} is no checkpoint: it starts neither as a zip archive nor as a pickle of torch.save."
            )
        with _said_of(path):
            archive = _ZipArchive(path, file) if head == ZIP else _OldArchive(path, file)
        yield archive


@contextmanager
def _said_of(path: Path) -> Iterator[None]:
    """Turn what a damaged or a hostile file raises into a sentence."""
    try:
        yield
    except RefusedError as error:
        raise ValueError(
            f"{path} asks for {error}, which no published model needs: nothing was executed, the file is "
            "refused."
        ) from None
    except (*DAMAGED, zipfile.BadZipFile, struct.error, RuntimeError, OSError) as error:
        if isinstance(error, OSError) and error.errno != errno.EINVAL:
            raise  # the disk fails; an impossible position, which is what EINVAL is of, comes from the file
        raise ValueError(
            f"{path} is truncated, or not a checkpoint of torch.save ({_reason(error)})."
        ) from error


def _reason(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]


def _filled(file: IO[bytes], size: int) -> bytearray:
    """Read so many bytes, or fewer where the file ends."""
    content = bytearray(size)
    filled = 0
    with memoryview(content) as view:
        while count := file.readinto(view[filled:]):  # type: ignore[attr-defined]
            filled += count
    return content if filled == size else content[:filled]
