"""Read published pickles of plain containers and arrays without executing anything they ask for."""

from __future__ import annotations

import mmap
import pickle
import re
import struct
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["read_pickle"]

_PLAIN_DTYPE = re.compile(r"[|<>=]?([biuf][1248]|b1|S\d+)")
_DAMAGED = (
    pickle.UnpicklingError,
    EOFError,
    AttributeError,
    ImportError,
    IndexError,
    KeyError,
    TypeError,
    MemoryError,
    OverflowError,
    RecursionError,
    ValueError,
)


def read_pickle(path: Path) -> Any:
    """Return what a pickle of containers, numbers, text, bytes and plain arrays holds; keys become text.

    A pickle names functions to call. Here the few names that plain arrays need lead to classes of this file,
    which only collect shapes and bytes; every other name is refused before anything happens. Arrays are
    read-only.

    Raises:
        ValueError: the file asks for another name (the sentence says which), is truncated or is no pickle.
    """
    with path.open("rb") as file:
        try:
            # Of a map no more is read than there is, whatever length the pickle names.
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                return _plain(_Unpickler(content, encoding="bytes").load())
        except _RefusedError as error:
            raise ValueError(
                f"{path} is a pickle that asks for {error}, which is not plain data: nothing was executed, "
                "the file is refused; get the set from its publishers."
            ) from None
        except _DAMAGED as error:
            raise ValueError(f"{path} is truncated or not a pickle of plain data: fetch it again.") from error


class _RefusedError(Exception):
    """Says which name was asked for; no `ValueError`, so that it is never taken for a damaged file."""


def _load_byte_array(unpickler: Any) -> None:
    """Read a byte array, reserving no memory for what is not there."""
    (length,) = struct.unpack("<Q", unpickler.read(8))
    unpickler.append(bytearray(unpickler.read(length)))


class _Unpickler(pickle._Unpickler):
    """Of Python's own unpickler, whose faster twin in C lets a few bytes take all memory (a memo's place)."""

    dispatch: ClassVar[dict[int, Any]] = {
        **pickle._Unpickler.dispatch,
        pickle.BYTEARRAY8[0]: _load_byte_array,
    }

    def find_class(self, module: str, name: str) -> Any:
        package = module.replace("numpy.core", "numpy._core").replace("__builtin__", "builtins")
        if (package, name) not in _ALLOWED:
            raise _RefusedError(f"{module}.{name}")
        return _ALLOWED[package, name]

    def persistent_load(self, pid: Any) -> Any:
        raise _RefusedError(f"the outside object {pid!r}")


class _DType:
    """Stands in for `numpy.dtype`; knows plain numbers and bytes only."""

    def __init__(self, spec: Any, *_: Any) -> None:
        self.spec = spec.decode("ascii") if isinstance(spec, bytes) else str(spec)
        self.order = "="

    def __setstate__(self, state: Any) -> None:
        order = state[1]
        self.order = order.decode("ascii") if isinstance(order, bytes) else str(order)

    def real(self) -> np.dtype[Any]:
        """Return the dtype, or refuse one that could hold Python objects or fields."""
        if not _PLAIN_DTYPE.fullmatch(self.spec):
            raise _RefusedError(f"an array of {self.spec}")
        return np.dtype(self.spec).newbyteorder(">" if self.order == ">" else "<")


class _Array:
    """Stands in for `numpy.ndarray` while an array is read."""

    def __init__(self, *_: Any) -> None:
        self.value: NDArray[Any] | None = None

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, fortran, raw = state
        plain = dtype.real()  # refuses objects, whose "bytes" would be a list
        flat: NDArray[Any] = np.frombuffer(_encoded(raw), dtype=plain)
        self.value = flat.reshape(shape, order="F" if fortran else "C")


class _FromBuffer(_Array):
    """Stands in for `numpy._core.numeric._frombuffer` (protocol 5)."""

    def __init__(self, raw: Any, dtype: _DType, shape: Any, order: Any) -> None:
        super().__init__()
        self.__setstate__((1, shape, dtype, order in ("F", b"F"), raw))


class _Scalar(_Array):
    """Stands in for a NumPy number, whose bytes are those of an array without dimensions."""

    def __init__(self, dtype: _DType, raw: Any) -> None:
        super().__init__()
        self.__setstate__((1, (), dtype, False, raw))


class _Bytes:
    """Stands in for the ways in which protocols 0 to 2 write bytes."""

    def __init__(self, text: Any = "", *_: Any) -> None:
        self.value = _encoded(text)


def _encoded(text: Any) -> bytes:
    """Return bytes as they are, without a copy, and whatever stands for bytes as bytes."""
    if isinstance(text, bytes):
        return text
    if isinstance(text, _Bytes):
        return text.value
    return text.encode("latin1") if isinstance(text, str) else bytes(memoryview(text))


_ALLOWED: dict[tuple[str, str], Any] = {
    ("builtins", "bytes"): _Bytes,
    ("_codecs", "encode"): _Bytes,
    ("builtins", "bytearray"): _Bytes,
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _DType,
    ("numpy._core.multiarray", "_reconstruct"): _Array,
    ("numpy._core.multiarray", "scalar"): _Scalar,
    ("numpy._core.numeric", "_frombuffer"): _FromBuffer,
}


def _plain(found: Any) -> Any:
    """Return `found` with arrays and bytes in place of their stand-ins, at any depth."""
    if isinstance(found, _Array | _Bytes):
        return found.value
    if isinstance(found, dict):
        return {_text(key): _plain(value) for key, value in found.items()}
    if isinstance(found, list | tuple):
        return type(found)(_plain(value) for value in found)
    return found


def _text(key: Any) -> Any:
    key = _plain(key)
    return key.decode("latin1") if isinstance(key, bytes) else key
