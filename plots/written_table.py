"""A table as LaTeX, Markdown and CSV."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anomaly_methods.csv_text import csv_of
from invglow.files import replacing

__all__ = ["Cell", "WrittenTable", "save_written_table", "to_latex", "to_markdown"]

_LATEX: Mapping[str, str] = {
    "\\": r"\textbackslash{}",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "\N{EN DASH}": "--",
    "\N{EM DASH}": "---",
    "\N{PLUS-MINUS SIGN}": r"$\pm$",
}


@dataclass(frozen=True)
class Cell:
    """What a reader sees in one place of a table."""

    text: str
    bold: bool = False


@dataclass(frozen=True)
class WrittenTable:
    """A table to read, and the numbers behind it.

    Attributes:
        caption: what it shows: models, sets, group size, number of images.
        header: names of the columns.
        rows: cells, as many in each row as there are columns; empty where there is no number.
        entries: the numbers unrounded, each entry with the same keys: the rows of the CSV.
        words: how many of the first columns are words, aligned left; the others are aligned right.

    Raises:
        ValueError: there are no rows, or one is not as long as the header.
    """

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    entries: Sequence[Mapping[str, Any]]
    words: int = 1

    def __post_init__(self) -> None:
        if not self.rows:
            raise ValueError(f"The table {self.caption!r} has no rows: there is nothing to compare.")
        for row in self.rows:
            if len(row) != len(self.header):
                raise ValueError(f"A row of the table needs {len(self.header)} cells, got {len(row)}.")


def to_markdown(table: WrittenTable) -> str:
    """Return the caption and a table in Markdown."""
    rule = ["---" if column < table.words else "---:" for column in range(len(table.header))]
    rows = [[_markdown(cell) for cell in row] for row in table.rows]
    header = [_markdown(Cell(name)) for name in table.header]
    lines = [f"| {' | '.join(line)} |" for line in (header, rule, *rows)]
    return "\n".join([table.caption, "", *lines, ""])


def to_latex(table: WrittenTable) -> str:
    r"""Return a `tabular` that needs the package booktabs, the caption as a comment above it."""
    columns = "l" * table.words + "r" * (len(table.header) - table.words)
    header = " & ".join(_latex(Cell(name)) for name in table.header)
    rows = [" & ".join(map(_latex, row)) for row in table.rows]
    body = [r"\toprule", rf"{header} \\", r"\midrule", *(rf"{row} \\" for row in rows), r"\bottomrule"]
    comment = [f"% {line}" for line in table.caption.splitlines()]
    return "\n".join([*comment, rf"\begin{{tabular}}{{{columns}}}", *body, r"\end{tabular}", ""])


def save_written_table(table: WrittenTable, path: Path) -> tuple[Path, ...]:
    """Write .tex, .md and .csv, each whole or not at all, and return the files; `path` has no suffix."""
    texts = {"tex": to_latex(table), "md": to_markdown(table), "csv": csv_of(table.entries)}
    files = {path.with_name(f"{path.name}.{suffix}"): text for suffix, text in texts.items()}
    for file, text in files.items():
        with replacing(file) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return tuple(files)


def _markdown(cell: Cell) -> str:
    text = cell.text.replace("\\", "\\\\").replace("|", "\\|")
    return f"**{text}**" if cell.bold and text else text


def _latex(cell: Cell) -> str:
    text = "".join(_LATEX.get(sign, sign) for sign in cell.text)
    return rf"\textbf{{{text}}}" if cell.bold and text else text
