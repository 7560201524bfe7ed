"""Rows of any analysis as aligned text, CSV or JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from anomaly_methods.csv_text import csv_of

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = ["to_csv", "to_json", "to_text"]


def to_json(rows: Sequence[DataclassInstance]) -> list[dict[str, Any]]:
    """Return dataclasses as plain dictionaries, {field: value}, with unrounded numbers; NaN becomes None."""
    return [{name: None if _is_nan(value) else value for name, value in asdict(row).items()} for row in rows]


def to_csv(rows: Sequence[DataclassInstance]) -> str:
    """Return CSV with unrounded numbers, one column per field."""
    return csv_of(to_json(rows))


def to_text(rows: Sequence[DataclassInstance]) -> str:
    """Return aligned columns for a terminal, a header first: words to the left, numbers to the right."""
    entries = to_json(rows)
    if not entries:
        return ""
    columns = [[name, *(_shown(entry[name]) for entry in entries)] for name in entries[0]]
    words = [any(isinstance(entry[name], str) for entry in entries) for name in entries[0]]
    widths = [max(map(len, column)) for column in columns]
    lines = zip(*columns, strict=True)
    return "\n".join(
        "  ".join(
            cell.ljust(width) if left else cell.rjust(width)
            for cell, width, left in zip(line, widths, words, strict=True)
        ).rstrip()
        for line in lines
    )


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _shown(value: Any) -> str:
    """Return a number with four digits, a dash for nothing, and everything else as it is."""
    if value is None:
        return "-"
    if not isinstance(value, float):
        return str(value)
    return f"{value:.4g}" if abs(value) < 1e4 else f"{value:.0f}"
