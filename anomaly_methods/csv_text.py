"""CSV as text."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["csv_of"]


def csv_of(entries: Sequence[Mapping[str, Any]]) -> str:
    """Return CSV of entries with the same keys, one column per key; nothing for no entries."""
    text = io.StringIO()
    if entries:
        writer = csv.DictWriter(text, fieldnames=list(entries[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(entries)
    return text.getvalue()
