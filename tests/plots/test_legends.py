"""Legends stand inside a panel if names are short, and else below it, whole."""

from __future__ import annotations

import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from plots.layout import laid_out
from plots.legends import legend_below, panel_legend
from plots.style import new_figure, style


def drawn(*names: str) -> tuple[Figure, Axes]:
    figure, (axis,) = new_figure()
    for name in names:
        axis.plot([0, 1], [0, 1], label=name)
    axis.set_xlabel("a label\nof two lines")
    return figure, axis


@pytest.mark.parametrize(("names", "lines"), [(("cifar10", "svhn"), 2), (("cifar10", "x" * 60), 0)])
def test_a_long_name_takes_the_legend_out_of_the_panel(names: tuple[str, ...], lines: int) -> None:
    with style():
        figure, axis = drawn(*names)
        assert panel_legend(axis) == lines
        laid_out(figure)
        legend = axis.get_legend()
        assert legend is not None
        assert "".join(text.get_text().replace("\n", "") for text in legend.get_texts()) == "".join(names)
        box, panel = legend.get_window_extent(), axis.get_window_extent()
        assert (box.y0 > panel.y0) == bool(lines)


@pytest.mark.parametrize("names", [("cifar10",), ("x" * 200,) * 5])
def test_a_legend_below_hides_no_label_and_the_panel_keeps_its_room(names: tuple[str, ...]) -> None:
    with style():
        figure, axis = drawn(*names)
        legend_below(axis)
        before = figure.get_figheight()
        laid_out(figure)
        legend = axis.get_legend()
        assert legend is not None
        assert legend.get_window_extent().y1 <= axis.xaxis.label.get_window_extent().y0
        assert legend.get_window_extent().y0 >= 0
        assert axis.get_window_extent().height / figure.dpi >= 0.35 * before
        assert (figure.get_figheight() > before) == (len(names) > 1)
