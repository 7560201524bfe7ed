"""Whether all that a figure says can be read: nothing leaves the paper, and the panels keep their room."""

from __future__ import annotations

from matplotlib.figure import Figure

from plots.layout import laid_out
from plots.style import style

__all__ = ["inches_outside", "least_height"]


def inches_outside(figure: Figure) -> float:
    """Return how far texts and marks reach beyond an edge of the laid-out figure; 0 where none does."""
    with style():  # which also is that of numbers on axes
        box = laid_out(figure).get_tightbbox()
    width, height = figure.get_size_inches()
    return max(0.0, float(-box.x0), float(-box.y0), float(box.x1 - width), float(box.y1 - height))


def least_height(figure: Figure) -> float:
    """Return the inches that the lowest panel of the laid-out figure is high."""
    return min(axis.get_window_extent().height for axis in laid_out(figure).axes) / figure.dpi
