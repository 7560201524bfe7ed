"""Reading and writing the .npz that statistics are kept in; docs/statistics_file.md describes it."""

from __future__ import annotations

import io
import json
import lzma
import struct
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomaly_methods.meta import StatisticsMeta
from invglow.files import replacing

__all__ = ["FORMAT_VERSION", "PART", "WHOLE", "Content", "damaged", "read_content", "write_content"]

FORMAT_VERSION = 1
WHOLE = "anomaly statistics"
PART = "part of anomaly statistics"

_PREFIX = "values/"
_OF_THE_FILE = ("format", "format_version", "rows", "columns", "nonfinite")  # the rest is the meta
# What zipfile raises on archives that are cut short or have changed bytes, found by changing each byte.
_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    OSError,
    OverflowError,
    RuntimeError,
)


@dataclass(frozen=True)
class Content:
    """What a file holds: values {name: (N,) float64}, index (N,) int64, meta."""

    values: Mapping[str, NDArray[np.float64]]
    index: NDArray[np.int64]
    meta: StatisticsMeta


def write_content(path: Path, content: Content, form: str) -> None:
    """Write a file whole or not at all. The same content gives the same bytes.

    Raises:
        OSError: the disk is full, the folder is read-only; an earlier file at `path` stays as it was.
    """
    counts = {name: int(np.count_nonzero(~np.isfinite(v))) for name, v in content.values.items()}
    header = {
        "format": form,
        "format_version": FORMAT_VERSION,
        "rows": len(content.index),
        "columns": len(content.values),
        "nonfinite": {name: count for name, count in counts.items() if count},
        **content.meta.to_json(),
    }
    arrays: dict[str, NDArray[Any]] = {"meta": np.array(json.dumps(header)), "index": content.index}
    arrays |= {_PREFIX + name: values for name, values in content.values.items()}
    with replacing(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name, array in arrays.items():
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


def read_content(path: Path, form: str) -> Content:
    """Read a whole file and check it.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is truncated, damaged, of a newer format, only a part, or no statistics file at all.
    """
    if not path.exists():
        raise FileNotFoundError(f"There is no statistics file {path}: compute the statistics first.")
    with path.open("rb") as file:
        start = file.read(2)
    if start not in (b"PK", b""):
        raise ValueError(f"{path} is not a statistics file, an .npz of this library: check the name.")
    try:
        arrays = _read_arrays(path)
    except _DAMAGED as error:
        raise ValueError(damaged(path, error)) from error
    except ValueError as error:
        raise ValueError(f"{path} is not a statistics file of this library ({error}).") from error
    return _interpret(path, arrays, form)


def damaged(path: Path, error: Exception) -> str:
    """Return the sentence about a file whose content makes no sense."""
    reason = str(error).rstrip(".")
    return f"Statistics file {path} is truncated or damaged ({reason}): delete it and compute it again."


def _read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Read every member to its end, which is what makes zipfile compare its checksum."""
    arrays = {}
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            member = io.BytesIO(archive.read(name))
            arrays[name.removesuffix(".npy")] = np.lib.format.read_array(member, allow_pickle=False)
    return arrays


def _interpret(path: Path, arrays: dict[str, NDArray[Any]], form: str) -> Content:
    try:
        header = json.loads(str(arrays["meta"]))
        found, version = header["format"], int(header["format_version"])
    except (KeyError, ValueError, TypeError) as error:
        raise ValueError(f"{path} is not a statistics file of this library (no header).") from error
    if version > FORMAT_VERSION:
        raise ValueError(
            f"{path} has statistics format {version}, newer than {FORMAT_VERSION}, which this version of the "
            "library reads: update the library."
        )
    if found != form:
        raise ValueError(f"{path} holds {found!r}, but {form!r} was wanted: check the name.")
    try:
        values = {n.removeprefix(_PREFIX): v for n, v in arrays.items() if n.startswith(_PREFIX)}
        if len(values) != header["columns"]:
            raise ValueError(f"{header['columns']} names were written, {len(values)} are left")
        meta = {name: entry for name, entry in header.items() if name not in _OF_THE_FILE}
        return Content(values, arrays["index"], StatisticsMeta.from_json(meta))
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(damaged(path, error)) from error
