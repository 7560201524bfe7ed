"""One panel of histograms of several image sets on common bins; what the axis does not show is counted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

__all__ = ["LINES", "Counts", "Normal", "common_edges", "counted", "draw_normal", "draw_sets", "normal_of"]

Values = NDArray[np.float64]

LINES: tuple[Any, ...] = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)))
"""Line styles that tell sets apart beside their colours, the in-distribution one first."""

_SHOWN = (0.002, 0.998)  # each set's range that an axis shows in any case


@dataclass(frozen=True)
class Counts:
    """How many values of one set lie in each bin (K,), beside them, and how many are not finite."""

    inside: NDArray[np.int64]
    below: int
    above: int
    nonfinite: int

    @property
    def total(self) -> int:
        """All values."""
        return int(self.inside.sum()) + self.below + self.above + self.nonfinite

    @property
    def percent(self) -> Values:
        """The share of each bin in all values of the set, in percent."""
        return 100 * self.inside / max(self.total, 1)


@dataclass(frozen=True)
class Normal:
    """A normal distribution with the mean and the deviation of some values."""

    mean: float
    deviation: float


def common_edges(sets: Mapping[str, Values], bins: int) -> Values:
    """Return the edges (bins + 1,) of common bins, which show of each set what it needs to show.

    Each set needs all but the outermost 0.2 % at either end of its finite values; equal ones get half a unit
    of room on both sides, or more where that is below what floating point tells apart.

    Raises:
        ValueError: no set has a finite value, or there is no bin.
    """
    if bins < 1:
        raise ValueError(f"A histogram needs at least one bin, got {bins}.")
    finite = [shown for values in sets.values() if (shown := values[np.isfinite(values)]).size]
    if not finite:
        raise ValueError(f"No value of {', '.join(map(repr, sets))} is finite: there is nothing to show.")
    low = min(float(np.quantile(values, _SHOWN[0])) for values in finite)
    high = max(float(np.quantile(values, _SHOWN[1])) for values in finite)
    room = 0.02 * (high - low) or max(0.5, bins * float(np.spacing(abs(high))))  # half a unit may be nothing
    return np.linspace(low - room, high + room, bins + 1)


def counted(values: Values, edges: Values) -> Counts:
    """Count values in bins, beside them, and those that are NaN or infinite."""
    finite = values[np.isfinite(values)]
    return Counts(
        inside=np.histogram(finite, edges)[0] if len(edges) > 1 else np.zeros(0, np.int64),
        below=int(np.count_nonzero(finite < edges[0])),
        above=int(np.count_nonzero(finite > edges[-1])),
        nonfinite=len(values) - len(finite),
    )


def normal_of(values: Values) -> Normal | None:
    """Return the normal with the mean and deviation of the finite values; None if these are all equal."""
    finite = values[np.isfinite(values)]
    if not finite.size or np.ptp(finite) == 0:
        return None
    return Normal(float(finite.mean()), float(finite.std()))


def draw_sets(
    axis: Axes, sets: Mapping[str, Values], edges: Values, colours: Mapping[str, str], *, width: float = 1.2
) -> dict[str, Counts]:
    """Draw each set as an outline, the first one filled, in percent of the set, and return what was counted.

    What lies outside or is not finite is written below the upper edge of the panel.
    """
    found = {name: counted(values, edges) for name, values in sets.items()}
    for number, (name, counts) in enumerate(found.items()):
        line = LINES[number % len(LINES)]
        axis.stairs(counts.percent, edges, color=colours[name], linestyle=line, linewidth=width, label=name)
        if number == 0:
            axis.stairs(counts.percent, edges, fill=True, color=colours[name], alpha=0.3)
    axis.set(xlim=(edges[0], edges[-1]), ylim=(0, None))
    if note := _note(found):
        axis.text(
            *(0.98, 0.97), note, transform=axis.transAxes, ha="right", va="top", fontsize=5.5, color="#555555"
        )
    return found


def draw_normal(axis: Axes, normal: Normal, edges: Values) -> None:
    """Draw the density of a normal as percent per bin."""
    x = np.linspace(edges[0], edges[-1], 200)
    z = (x - normal.mean) / normal.deviation
    density = np.exp(-(z**2) / 2) / (normal.deviation * np.sqrt(2 * np.pi))
    axis.plot(x, 100 * (edges[1] - edges[0]) * density, color="#333333", linewidth=0.9, linestyle=(0, (4, 2)))


def _note(found: Mapping[str, Counts]) -> str:
    outside = sum(counts.below + counts.above for counts in found.values())
    nonfinite = sum(counts.nonfinite for counts in found.values())
    parts = [f"{outside:,} outside" if outside else "", f"{nonfinite:,} not finite" if nonfinite else ""]
    return ", ".join(filter(None, parts))
