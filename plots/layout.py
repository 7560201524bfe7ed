"""Room for what a figure says: it grows where long names would leave its panels too little."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from plots.style import style

__all__ = ["laid_out"]

_LEAST = 0.4  # of the height of a row of panels with their texts, that the panels themselves keep
_PASSES = 3  # what stands below a panel moves it, and is where the pass before has put it


def laid_out(figure: Figure) -> Figure:
    """Let a figure grow if its texts need that, and lay it out once, not again for every file of it."""
    if figure.get_layout_engine() is not None:
        with style():
            _make_room(figure)
            for _ in range(_PASSES):
                before = _heights(figure)
                figure.draw_without_rendering()
                if _heights(figure) == before:
                    break
        figure.set_layout_engine("none")
    return figure


def _make_room(figure: Figure) -> None:
    rows: dict[int, list[Axes]] = {}
    for axis in figure.axes:
        place = axis.get_subplotspec()
        if place is not None and axis.get_visible():
            rows.setdefault(place.rowspan.start, []).append(axis)
    width, height = figure.get_size_inches()
    texts = _of_all_panels(figure)
    least = _LEAST * (height - texts) / max(len(rows), 1)
    needed = (max(_around(axis) + max(least, _beside(axis)) for axis in row) for row in rows.values())
    figure.set_size_inches(width, max(height, texts + sum(needed)))


def _heights(figure: Figure) -> list[int]:
    """Return how high panels are, in thousandths of the figure."""
    return [round(1000 * axis.get_position().height) for axis in figure.axes]


def _around(axis: Axes) -> float:
    """Return the inches that texts take above and below a panel."""
    whole = axis.get_tightbbox()
    return 0.0 if whole is None else (whole.height - axis.get_window_extent().height) / axis.figure.dpi


def _beside(axis: Axes) -> float:
    """Return the inches of the name of the vertical axis, which would run into the title of a lower panel."""
    return float(axis.yaxis.label.get_window_extent().height) / axis.figure.dpi


def _of_all_panels(figure: Figure) -> float:
    """Return the inches that titles and legends of all panels take."""
    lines = [text for text in figure.texts if not text.get_rotation()]
    return sum(item.get_window_extent().height for item in (*lines, *figure.legends)) / figure.dpi
