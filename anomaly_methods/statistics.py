"""Statistics of images under a model: named columns of numbers, whose they are, and their provenance."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomaly_methods.meta import StatisticsMeta
from anomaly_methods.statistics_file import PART, WHOLE, Content, damaged, read_content, write_content

__all__ = ["Statistics", "StatisticsMeta", "concatenate"]


@dataclass(frozen=True, eq=False)
class Statistics:
    """Statistics of N groups of images (N images when `meta.group_size` is 1). Nothing in it can be changed.

    Args:
        values: {name: (N,)}, kept as float64; non-finite numbers stay as they are.
        index: (N,), kept as int64: the position in the image set of the (first) image of each row.
        meta: where the values come from.

    Raises:
        ValueError: there are no values, or their shapes or dtypes do not fit together.
    """

    values: Mapping[str, NDArray[np.float64]]
    index: NDArray[np.int64]
    meta: StatisticsMeta

    def __post_init__(self) -> None:
        index = _read_only(self.index, np.int64, "index")
        values = {name: _read_only(array, np.float64, name) for name, array in self.values.items()}
        if not values:
            raise ValueError("Statistics need at least one named value, got none.")
        for name, array in values.items():
            if array.shape != index.shape:
                raise ValueError(
                    f"Statistics need one number per row in {name!r}: index has shape {index.shape}, "
                    f"the values have {array.shape}."
                )
        object.__setattr__(self, "values", MappingProxyType(values))
        object.__setattr__(self, "index", index)

    def __len__(self) -> int:
        return len(self.index)

    def value(self, name: str) -> NDArray[np.float64]:
        """Return the values called `name`, (N,).

        Raises:
            ValueError: there are none; the sentence names those that are close, and how many there are.
        """
        if name not in self.values:
            close = difflib.get_close_matches(name, self.values, n=3) or list(self.values)[:3]
            raise ValueError(
                f"The {self.meta.kind} statistics of {self.meta.model!r} hold no values {name!r} "
                f"(they hold {len(self.values)}, among them {', '.join(close)})."
            )
        return self.values[name]

    def select(self, rows: NDArray[np.integer[Any]] | NDArray[np.bool_] | Sequence[int]) -> Statistics:
        """Return the statistics of some rows: positions, or a mask (N,)."""
        chosen = np.asarray(rows)
        if chosen.size == 0:
            chosen = chosen.astype(np.int64)
        values = {name: array[chosen] for name, array in self.values.items()}
        return Statistics(values, self.index[chosen], self.meta)

    def halves(self, seed: int = 0) -> tuple[Statistics, Statistics]:
        """Split the rows at random into one half to fit and one to test, each in the old order.

        The split depends on the number of rows and the seed alone, so several statistics of the same images
        are split alike. With an odd number of rows the second half has one more.

        Raises:
            ValueError: there are fewer than two rows.
        """
        if len(self) < 2:
            raise ValueError(f"Splitting statistics in halves needs at least 2 rows, got {len(self)}.")
        order = np.random.default_rng(seed).permutation(len(self))
        middle = len(self) // 2
        return self.select(np.sort(order[:middle])), self.select(np.sort(order[middle:]))

    def nonfinite(self) -> dict[str, int]:
        """Return how many values of each name are NaN or infinite; names with none are left out."""
        counts = {name: int(np.count_nonzero(~np.isfinite(array))) for name, array in self.values.items()}
        return {name: count for name, count in counts.items() if count}

    def finite_rows(self) -> NDArray[np.bool_]:
        """Return a mask (N,) of the rows in which every value is finite."""
        mask = np.ones(len(self), dtype=np.bool_)
        for array in self.values.values():
            mask &= np.isfinite(array)
        return mask

    def save(self, path: Path | str, *, part: bool = False) -> None:
        """Write one .npz, whole or not at all; `part` marks it as a piece of an unfinished extraction.

        Raises:
            OSError: it cannot be written; an earlier file at `path` stays as it was.
        """
        write_content(Path(path), Content(self.values, self.index, self.meta), PART if part else WHOLE)

    @classmethod
    def load(cls, path: Path | str, *, part: bool = False) -> Statistics:
        """Read what `save` wrote. A part is never taken for a whole file, nor the other way round.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: it is truncated, damaged, of a newer format, or not such a file.
        """
        path = Path(path)
        content = read_content(path, PART if part else WHOLE)
        try:
            return cls(content.values, content.index, content.meta)
        except ValueError as error:
            raise ValueError(damaged(path, error)) from error


def concatenate(pieces: Sequence[Statistics], meta: StatisticsMeta) -> Statistics:
    """Return the rows of all pieces, one after the other, under one meta.

    Raises:
        ValueError: there are no pieces, or they do not hold the same names.
    """
    if not pieces:
        raise ValueError("There are no statistics to put together.")
    names = list(pieces[0].values)
    for piece in pieces:
        if set(piece.values) != set(names):
            odd = ", ".join(sorted(set(piece.values) ^ set(names))[:3])
            raise ValueError(f"Statistics to put together must hold the same names, but differ in {odd}.")
    values = {name: np.concatenate([piece.values[name] for piece in pieces]) for name in names}
    return Statistics(values, np.concatenate([piece.index for piece in pieces]), meta)


def _read_only(array: NDArray[Any], dtype: type[np.generic], name: str) -> NDArray[Any]:
    """Return a view of `array` as `dtype` that cannot be written through."""
    given = np.asarray(array)
    if given.ndim != 1 or not np.can_cast(given.dtype, dtype, casting="same_kind"):
        raise ValueError(
            f"Statistics need {name!r} as (N,) numbers of type {np.dtype(dtype).name}, "
            f"got shape {given.shape} of {given.dtype}."
        )
    view = given.astype(dtype, copy=False).view()
    view.flags.writeable = False
    return view
