"""Legends: names of any length are wrapped, and hide nothing of what is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import ScaledTranslation

from plots.wrapping import wrapped

__all__ = ["legend_below", "panel_legend", "titled_legend"]

_LINE = 0.15  # inches that a line of a legend or its title takes
_PADS = 0.25  # inches around the numbers and the label of an axis


def titled_legend(figure: Figure, handles: Sequence[Artist], title: str) -> None:
    """Write a title and explain the marks above all panels; the figure grows by what they take."""
    width, height = figure.get_size_inches()
    columns = min(len(handles), 1 if width < 4 else 3)
    labels = [wrapped(str(handle.get_label()), width / columns - 0.55, 7) for handle in handles]
    heading = wrapped(title, width - 0.3)
    rows = -(-len(handles) // columns)
    lines = rows * max(label.count("\n") + 1 for label in labels) + heading.count("\n") + 1
    figure.set_size_inches(width, height + _LINE * lines)
    legend = figure.legend(
        list(handles), labels, loc="outside upper center", ncols=columns, title=heading, title_fontsize=8
    )
    legend.get_title().set_multialignment("center")


def panel_legend(
    axis: Axes,
    *,
    loc: Literal["best", "upper left", "upper right"] = "upper right",
    size: float = 6.5,
    width: float = 2.4,
) -> int:
    """Explain the marks of a panel inside it, or below it if a name takes several lines there.

    Args:
        axis: with its label, which is written above a legend below it.
        loc: where inside.
        size: of the letters, in points.
        width: of a name inside at most, in inches.

    Returns:
        How many lines it takes inside, for which the limits of the axis can leave room.
    """
    labels = axis.get_legend_handles_labels()[1]
    if any("\n" in wrapped(label, width, size) for label in labels):
        legend_below(axis, size=size)
        return 0
    axis.legend(loc=loc, fontsize=size, handlelength=1.6)
    return len(labels)


def legend_below(axis: Axes, *, size: float = 6.5, width: float = 2.1, **options: Any) -> None:
    """Explain the marks of a panel below its label, with names of at most `width` inches."""
    handles, labels = axis.get_legend_handles_labels()
    numbers = (text.get_window_extent().height for text in axis.get_xticklabels())
    label = axis.xaxis.label.get_window_extent().height if axis.get_xlabel() else 0
    below = (max(numbers, default=0) + label) / axis.figure.dpi + _PADS
    axis.legend(
        handles,
        [wrapped(text, width, size) for text in labels],
        loc="upper center",
        bbox_to_anchor=(0.5, 0),
        bbox_transform=axis.transAxes + ScaledTranslation(0, -below, axis.figure.dpi_scale_trans),
        borderaxespad=0,
        fontsize=size,
        **options,
    )
