"""The Fisher information matrix of each tensor as it is, in nats squared, on a colour scale of its own."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from plots.FIM_approximation.command import run_figure
from plots.FIM_approximation.matrix import FisherMatrix, tensor_labels
from plots.FIM_approximation.normalised import TABLE, table
from plots.output import save_with_numbers
from plots.style import new_figure, style
from plots.wrapping import wrapped

__all__ = ["make_figure", "save"]

_ACROSS = 3


def make_figure(found: FisherMatrix) -> Figure:
    """Draw one matrix for each tensor."""
    count = len(found.tensor_names)
    columns = min(_ACROSS, count)
    rows = math.ceil(count / columns)
    with style():
        figure, axes = new_figure(columns, rows, panel_width=2.6, panel_height=2.3)
        labels = tensor_labels(found)
        for axis, tensor, label in zip(axes, found.tensor_names, labels, strict=False):
            _draw(figure, axis, found, tensor, label)
        for axis in axes[count:]:
            axis.set_visible(False)
        title = f"Fisher information of parameter tensors\n{found.summary()}"
        figure.suptitle(wrapped(title, figure.get_figwidth() - 0.2), fontsize=8)
    return figure


def save(found: FisherMatrix, path: Path) -> tuple[Path, Path, Path]:
    """Save the figure as PDF and PNG and its numbers as CSV, print and return them; `path` has no suffix."""
    same = dict(zip(found.names, found.tensors, strict=True))
    rows = (row for row in table(found) if _alike(same, row))
    return save_with_numbers(make_figure(found), path, TABLE, rows)


def _draw(figure: Figure, axis: Axes, found: FisherMatrix, tensor: str, label: str) -> None:
    places = found.places(tensor)
    block = found.raw[np.ix_(places, places)]
    largest = float(np.abs(block).max())
    image = axis.imshow(block, cmap="RdBu_r", vmin=-largest, vmax=largest, interpolation="nearest")
    axis.set_title(wrapped(label, 2.0, 6), fontsize=6)
    axis.set(xlabel="entry", ylabel="entry")
    ticks = np.unique(np.linspace(0, len(places) - 1, 4).round())
    axis.set_xticks(ticks, [str(int(tick) + 1) for tick in ticks])
    axis.set_yticks(ticks, [str(int(tick) + 1) for tick in ticks])
    axis.grid(visible=False)
    bar = figure.colorbar(image, ax=axis, fraction=0.05, ticks=[-largest, 0, largest])
    bar.ax.set_yticklabels([f"{-largest:.1e}", "0", f"{largest:.1e}"], fontsize=5.5)
    bar.set_label(r"$F_{ab}$ (nats$^2$)", fontsize=6, parse_math=True)


def _alike(tensors: dict[str, str], row: tuple[object, ...]) -> bool:
    return tensors[str(row[0])] == tensors[str(row[1])]


if __name__ == "__main__":
    run_figure("raw_FIMs", str(__doc__), save)
