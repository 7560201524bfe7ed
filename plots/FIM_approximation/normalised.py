"""The normalised Fisher information matrix, F_ab / sqrt(F_aa F_bb): the identity, if F is diagonal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from plots.FIM_approximation.matrix import PROVENANCE, FisherMatrix, tensor_labels
from plots.output import save_with_numbers
from plots.style import new_figure, style
from plots.wrapping import wrapped

__all__ = ["TABLE", "make_figure", "save", "table"]

TABLE = ("entry", "other", "fisher_information", "normalised", *PROVENANCE)


def make_figure(found: FisherMatrix) -> Figure:
    """Draw the whole matrix, entries of one tensor side by side, and say how far from diagonal it is."""
    with style():
        figure, (axis,) = new_figure(panel_width=5.4, panel_height=4.0)
        figure.set_layout_engine("compressed")  # constrained, it cuts long names off beside a square panel
        image = axis.imshow(found.normalised, cmap="RdBu_r", vmin=-1, vmax=1, interpolation="nearest")
        _draw_tensors(axis, found)
        axis.set_title(wrapped(f"Normalised Fisher information matrix\n{found.summary()}", 3.2))
        axis.set_xlabel(wrapped(f"entry of tensor number\n{_distance(found)}", 3.0))
        bar = figure.colorbar(image, ax=axis, fraction=0.05)
        bar.set_label(r"$F_{ab} / \sqrt{F_{aa} F_{bb}}$ (no unit)", parse_math=True)
    return figure


def table(found: FisherMatrix) -> Iterator[tuple[object, ...]]:
    """Yield every pair of entries once."""
    for row, name in enumerate(found.names):
        for column in range(row, len(found.names)):
            values = (float(found.raw[row, column]), float(found.normalised[row, column]))
            yield name, found.names[column], *values, *found.provenance


def save(found: FisherMatrix, path: Path) -> tuple[Path, Path, Path]:
    """Save the figure as PDF and PNG and its numbers as CSV, print and return them; `path` has no suffix."""
    return save_with_numbers(make_figure(found), path, TABLE, table(found))


def _draw_tensors(axis: Axes, found: FisherMatrix) -> None:
    """Draw lines between tensors, and label each at its middle."""
    places = [found.places(tensor) for tensor in found.tensor_names]
    for one in places[:-1]:
        axis.axhline(one[-1] + 0.5, color="black", linewidth=0.4)
        axis.axvline(one[-1] + 0.5, color="black", linewidth=0.4)
    middles = [float(one.mean()) for one in places]
    axis.set_yticks(middles, [wrapped(one, 2.6, 5.5) for one in tensor_labels(found)], fontsize=5.5)
    axis.set_xticks(middles, [str(number) for number in range(1, len(places) + 1)])
    axis.grid(visible=False)


def _distance(found: FisherMatrix) -> str:
    """Say how large entries off the diagonal are, and how large chance makes them."""
    within, between = found.pairs()
    parts = [
        f"{name} {np.median(np.abs(found.normalised[mask])):.3f}"
        for name, mask in (("within a tensor", within), ("between tensors", between))
        if mask.any()
    ]
    chance = np.median(np.abs(found.shuffled[within | between]))
    return f"median size off the diagonal: {', '.join(parts)}; by chance, with as many samples: {chance:.3f}"
