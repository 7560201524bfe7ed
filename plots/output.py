"""Where a figure is written: looked at before any work, and named after what it shows."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure

from invglow.files import replacing, require_replaceable
from plots.layout import laid_out
from plots.style import style

__all__ = ["require_output", "save_figure", "save_pages", "save_table", "save_with_numbers"]

_SUFFIXES = (".pdf", ".png", ".csv", ".tex", ".md")  # of figures and tables


def require_output(path: Path) -> None:
    """Make the folder of a figure or table, and refuse one in which it cannot be written.

    Args:
        path: of the figure, without a suffix.

    Raises:
        ValueError: it has no name, or one of the suffixes that the files will have.
        OSError: naming the folder and the reason.
    """
    if not path.name or path.suffix in _SUFFIXES:
        raise ValueError(
            "--output names a figure or table without a suffix, since each of its files has its own; "
            f"got {path}."
        )
    require_replaceable(path.with_name(f"{path.name}.pdf"), "What is drawn (--output)")


def save_with_numbers(
    figure: Figure, path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]
) -> tuple[Path, Path, Path]:
    """Save a figure as PDF and PNG and its numbers as CSV, and print and return the files.

    Args:
        figure: what `make_figure` returned.
        path: without a suffix.
        header: names of the columns of the numbers.
        rows: the numbers.
    """
    pdf, png = save_figure(figure, path)
    files = (pdf, png, save_table(path, header, rows))
    for file in files:
        print(file)
    return files


def save_pages(
    pages: Iterable[Figure], path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]
) -> list[Path]:
    """Save a figure of one or several pages and its numbers, and print and return the files.

    Several pages become one PDF and a PNG of each, `path` with -1, -2, ... after it. Arguments as in
    `save_with_numbers`.
    """
    drawn = [laid_out(page) for page in pages]
    if len(drawn) == 1:
        return list(save_with_numbers(drawn[0], path, header, rows))
    pdf = path.with_name(f"{path.name}.pdf")
    files = [pdf, save_table(path, header, rows)]
    undated = {"CreationDate": None, "Producer": None}
    with style(), replacing(pdf) as temporary, PdfPages(temporary, metadata=undated) as document:
        for page in drawn:
            document.savefig(page)
    for number, page in enumerate(drawn, start=1):
        png = path.with_name(f"{path.name}-{number}.png")
        with style(), replacing(png) as temporary:
            page.savefig(temporary, format="png", metadata={"Software": None})
        files.append(png)
    for file in files:
        print(file)
    return files


def save_figure(figure: Figure, path: Path) -> tuple[Path, Path]:
    """Save a figure as PDF and PNG; `path` has no suffix. Equal figures give equal bytes.

    Returns:
        The two files, PDF and PNG.
    """
    undated: dict[str, dict[str, None]] = {
        "pdf": {"CreationDate": None, "Producer": None},
        "png": {"Software": None},
    }
    drawn = laid_out(figure)
    for kind, metadata in undated.items():
        with style(), replacing(_with_suffix(path, kind)) as temporary:
            drawn.savefig(temporary, format=kind, metadata=metadata)
    return _with_suffix(path, "pdf"), _with_suffix(path, "png")


def save_table(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> Path:
    """Save the numbers that a figure shows beside it, as CSV; `path` has no suffix.

    Raises:
        ValueError: if a row is not as long as the header.
    """
    table = _with_suffix(path, "csv")
    with replacing(table) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        for row in rows:
            if len(row) != len(header):
                raise ValueError(f"A row of {table.name} needs {len(header)} values {header}, got {row}.")
            writer.writerow(row)
    return table


def _with_suffix(path: Path, suffix: str) -> Path:
    """Append a suffix; unlike `Path.with_suffix` this keeps what follows a dot in the name ("lr-0.1")."""
    return path.with_name(f"{path.name}.{suffix}")
