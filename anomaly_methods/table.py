"""Results as a table: aligned text, Markdown, CSV or JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any

from anomaly_methods.csv_text import csv_of
from anomaly_methods.metrics import Separation

__all__ = ["Row", "to_csv", "to_json", "to_markdown", "to_text"]


@dataclass(frozen=True)
class Row:
    """One method on one pair of image sets."""

    method: str
    in_distribution: str
    out_of_distribution: str
    separation: Separation
    bound: str
    """What the likelihoods are: "exact", "elbo", "surrogate", or several with a slash between."""
    group_size: int
    model: str
    general_model: str = ""
    """The second model of a method that compares two."""
    evaluation: str = ""
    """How the likelihoods were evaluated, where the bound does not say all."""

    @property
    def bound_said(self) -> str:
        """Bound and evaluation as one text."""
        return f"{self.bound} ({self.evaluation})" if self.evaluation else self.bound

    def to_json(self) -> dict[str, Any]:
        """Return {column: value} without nesting, plain types."""
        entries = asdict(self)
        metrics = entries.pop("separation")
        return {**entries, **metrics}


_COLUMNS: Mapping[str, Callable[[Row], str]] = MappingProxyType(
    {
        "method": lambda row: row.method,
        "in": lambda row: row.in_distribution,
        "out": lambda row: row.out_of_distribution,
        "AUROC": lambda row: f"{row.separation.auroc:.3f}",
        "95 % interval": lambda row: f"{row.separation.auroc_low:.3f}-{row.separation.auroc_high:.3f}",
        "AP anomaly": lambda row: f"{row.separation.ap_anomaly:.3f}",
        "AP normal": lambda row: f"{row.separation.ap_normal:.3f}",
        "FPR@95": lambda row: f"{row.separation.fpr95:.3f}",
        "n in": lambda row: str(row.separation.n_in),
        "n out": lambda row: str(row.separation.n_out),
        "group": lambda row: str(row.group_size),
        "bound": lambda row: row.bound_said,
        "non-finite": lambda row: str(row.separation.nonfinite),
    }
)
_TEXT_COLUMNS = frozenset({"method", "in", "out", "bound"})  # aligned left, numbers right


def to_text(rows: Sequence[Row]) -> str:
    """Return aligned columns for a terminal, a header first."""
    cells = _cells(rows)
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ("  ".join(map(_aligned, line, widths, _COLUMNS)).rstrip() for line in cells)
    return "\n".join(lines)


def to_markdown(rows: Sequence[Row]) -> str:
    """Return a Markdown table."""
    header, *body = _cells(rows)
    rule = ["---" if name in _TEXT_COLUMNS else "---:" for name in _COLUMNS]
    escaped = ([cell.replace("|", "\\|") for cell in line] for line in body)
    return "\n".join(f"| {' | '.join(line)} |" for line in (header, rule, *escaped))


def to_csv(rows: Sequence[Row]) -> str:
    """Return CSV with unrounded numbers, columns as in `Row.to_json`."""
    return csv_of(to_json(rows))


def to_json(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return a list of plain dictionaries with unrounded numbers."""
    return [row.to_json() for row in rows]


def _cells(rows: Sequence[Row]) -> list[list[str]]:
    return [list(_COLUMNS), *([show(row) for show in _COLUMNS.values()] for row in rows)]


def _aligned(cell: str, width: int, column: str) -> str:
    return cell.ljust(width) if column in _TEXT_COLUMNS else cell.rjust(width)
