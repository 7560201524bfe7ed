"""How much work a pickle may make: far more than any model does, and none that grows faster than the file.

A few bytes can name an object again that was read before. What copies or hashes such an object could
therefore take any time for a small file: a call with it, a key of a dictionary that is made of it.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from typing import IO, Any

from invglow.legacy.records import RefusedError

__all__ = ["MOST_CLASSES", "Bounded", "Calls", "checked_items", "require_key", "require_name"]

# Published models of 200 MB make less than a tenth of each.
MOST_READS, MOST_PASSED, MOST_CLASSES = 5_000_000, 2_000_000, 500
FEW_BYTES = 1 << 16
LONGEST_NAME, LONGEST_KEY, MOST_DIGITS = 300, 16, 128


_SIZED = (tuple, list, dict, str, bytes, set, frozenset)


class Bounded:
    """A file of which no more is read at once than there is, so that no memory is reserved for the rest.

    Raises:
        RefusedError: from its methods, after more reads than any model takes, one or more for every code.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        position = file.tell()
        self._size = file.seek(0, io.SEEK_END)
        file.seek(position)
        self._reads = 0

    def read(self, count: int) -> bytes:
        self._reads += 1
        if self._reads > MOST_READS:
            raise self._refusal()
        if count > FEW_BYTES:
            count = min(count, self._size - self._file.tell())
        return self._file.read(count)

    def readline(self) -> bytes:
        self._reads += 1
        if self._reads > MOST_READS:
            raise self._refusal()
        return self._file.readline()

    def _refusal(self) -> RefusedError:
        return RefusedError(f"more than {MOST_READS} parts")


class Calls:
    """Counts what calls are given, which they may copy."""

    def __init__(self) -> None:
        self._passed = 0

    def require(self, arguments: Any) -> None:
        """Refuse arguments that are none, and more of them in all calls than any model has."""
        if not isinstance(arguments, tuple):
            raise RefusedError("a call without a tuple of arguments")
        self._passed += len(arguments)
        if self._passed <= MOST_PASSED:
            self._passed += sum(len(argument) for argument in arguments if isinstance(argument, _SIZED))
        if self._passed > MOST_PASSED:
            raise RefusedError(f"calls with more than {MOST_PASSED} arguments in all")


def require_key(key: Any) -> None:
    """Refuse keys whose hash takes long: nested ones, which a few bytes make of exponential size."""
    if type(key) is str:  # as almost all of them
        return
    parts = key if isinstance(key, tuple) else (key,)
    if len(parts) > LONGEST_KEY or not all(map(_is_plain, parts)):
        raise RefusedError(f"a dictionary or set with a {type(key).__name__} of such parts as key")


def checked_items(items: Any) -> Iterable[tuple[Any, Any]]:
    """Yield the items of a mapping or of a list of pairs, all with keys that may be ones."""
    for key, value in items.items() if isinstance(items, Mapping) else items:
        require_key(key)
        yield key, value


def require_name(module: str, name: str) -> None:
    """Refuse names that are no names."""
    if len(module) + len(name) > LONGEST_NAME:
        raise RefusedError(f"{module[:40]}... (a name of {len(module) + len(name)} characters)")


def _is_plain(value: Any) -> bool:
    if isinstance(value, int):
        return value.bit_length() <= MOST_DIGITS
    return value is None or isinstance(value, str | bytes | float)
