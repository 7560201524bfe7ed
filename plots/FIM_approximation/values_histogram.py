"""How large entries of the Fisher information matrix are, on the diagonal and off it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from plots.FIM_approximation.command import run_figure
from plots.FIM_approximation.matrix import PROVENANCE, FisherMatrix
from plots.output import save_with_numbers
from plots.style import COLOURS, new_figure, panel_letters, style
from plots.wrapping import wrapped

__all__ = ["make_figure", "save", "table"]

Numbers = NDArray[np.float64]

_TABLE = ("panel", "values", "bin_left", "bin_right", "entries", *PROVENANCE)
_BINS = 50
_LOOKS = {
    "diagonal": ("black", "-"),
    "within a tensor": ("blue", "--"),
    "between tensors": ("vermilion", "-."),
    "by chance (shuffled)": ("green", ":"),
}


def make_figure(found: FisherMatrix) -> Figure:
    """Draw normalised entries off the diagonal, and the sizes of all entries against their tensors' means."""
    with style():
        figure, axes = new_figure(columns=2, panel_height=2.9)
        correlations, sizes = _correlations(found), _sizes(found)
        _draw(axes[0], correlations, _correlation_edges(correlations))
        axes[0].set_xlabel(r"$F_{ab} / \sqrt{F_{aa} F_{bb}}$, $a \neq b$ (no unit)", parse_math=True)
        axes[0].set_title("Normalised, off the diagonal")
        edges = _size_edges(sizes)
        _draw(axes[1], sizes, edges)
        axes[1].set_xscale("log")
        axes[1].xaxis.set_major_formatter("{x:g}")  # its own are formulas
        size = r"$|F_{ab}| / \sqrt{m_a m_b}$, $m$: mean $F_{aa}$ of the tensor (no unit)"
        axes[1].set_xlabel(size, parse_math=True)
        axes[1].set_title("Size, against the mean of the diagonal")
        panel_letters(axes)
        title = f"Entries of the Fisher information matrix\n{found.summary()}"
        figure.suptitle(wrapped(title, figure.get_figwidth() - 0.2), fontsize=8)
    return figure


def table(found: FisherMatrix) -> Iterator[tuple[object, ...]]:
    """Yield the numbers of the figure: entries per bin; infinite edges hold what lies beyond the axis."""
    correlations, sizes = _correlations(found), _sizes(found)
    panels = (
        ("normalised", correlations, _correlation_edges(correlations)),
        ("size", sizes, _size_edges(sizes)),
    )
    for panel, groups, edges in panels:
        everything = np.array([-np.inf, *edges, np.inf])
        for name, values in groups.items():
            counts, _ = np.histogram(values, everything)
            for left, right, count in zip(everything[:-1], everything[1:], counts, strict=True):
                yield panel, name, float(left), float(right), int(count), *found.provenance


def save(found: FisherMatrix, path: Path) -> tuple[Path, Path, Path]:
    """Save the figure as PDF and PNG and its numbers as CSV, print and return them; `path` has no suffix."""
    return save_with_numbers(make_figure(found), path, _TABLE, table(found))


def _correlations(found: FisherMatrix) -> dict[str, Numbers]:
    within, between = found.pairs()
    groups = {
        "within a tensor": found.normalised[within],
        "between tensors": found.normalised[between],
        "by chance (shuffled)": found.shuffled[within | between],
    }
    return {name: values for name, values in groups.items() if values.size}


def _sizes(found: FisherMatrix) -> dict[str, Numbers]:
    within, between = found.pairs()
    groups = {
        "diagonal": np.diag(found.scaled),
        "within a tensor": np.abs(found.scaled[within]),
        "between tensors": np.abs(found.scaled[between]),
    }
    return {name: values for name, values in groups.items() if values.size}


def _correlation_edges(groups: dict[str, Numbers]) -> Numbers:
    """Return common bins, symmetric about zero, up to what 99 % of each group need."""
    reach = max(float(np.quantile(np.abs(values), 0.99)) for values in groups.values())
    return np.linspace(-reach, reach, _BINS + 1)


def _size_edges(groups: dict[str, Numbers]) -> Numbers:
    """Return common logarithmic bins from 1 % of the smallest group to the largest entry."""
    low = min(
        float(np.quantile(values[values > 0], 0.01)) for values in groups.values() if (values > 0).any()
    )
    high = max(float(values.max()) for values in groups.values())
    return np.geomspace(low, max(high, low * 1.01) * 1.0001, _BINS + 1)


def _draw(axis: Axes, groups: dict[str, Numbers], edges: Numbers) -> None:
    for name, values in groups.items():
        colour, line = _LOOKS[name]
        shown = np.count_nonzero((values >= edges[0]) & (values <= edges[-1]))
        hidden = len(values) - shown
        rest = f", {hidden} not shown" if hidden else ""
        percent = 100 * np.histogram(values, edges)[0] / len(values)
        label = f"{name}, n = {len(values):,}{rest}"
        axis.stairs(percent, edges, color=COLOURS[colour], linestyle=line, label=label)
    axis.set_ylabel("entries per bin (%)")
    axis.set_ylim(0, (1.05 + 0.13 * len(groups)) * axis.get_ylim()[1])
    axis.legend(loc="upper left", fontsize=6.5)


if __name__ == "__main__":
    run_figure("values_histogram", str(__doc__), save)
