"""Where a figure is written: looked at before any work, and named after what it shows."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from plots.style import save_figure, save_table

__all__ = ["require_output", "save_with_numbers"]


def require_output(path: Path) -> None:
    """Make the folder of a figure, and refuse one in which nothing can be written.

    Args:
        path: of the figure, without a suffix.

    Raises:
        OSError: naming the folder and the reason.
    """
    folder = path.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=f".{path.name[:40]}."):
            pass
    except OSError as error:
        raise OSError(
            f"Figures cannot be written into {folder} ({error.strerror}): name another place with --output."
        ) from error


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
