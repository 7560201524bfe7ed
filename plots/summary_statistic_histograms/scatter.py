"""Two statistics against each other: what both panels and modules with a scatter share."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse
from numpy.typing import NDArray

from plots.histogram import common_edges, normal_of
from plots.output import save_with_numbers
from plots.paper_command import request_of
from plots.paper_request import PaperRequest
from plots.style import short_name
from plots.summary_statistic_histograms.features import FeaturePanel, feature_panels

__all__ = [
    "HEADER",
    "MARKERS",
    "PanelPair",
    "add_scatter",
    "draw_scatter",
    "pairs_of",
    "save_scatter",
    "table",
]

HEADER = ("model", "set", "role", "row", "statistic_x", "x", "statistic_y", "y")
MARKERS = ("o", "^", "s", "D", "v", "P", "X", "<", ">", "*", "p", "h")
"""Of the sets beside their colours, the in-distribution one first."""

PanelPair = tuple[FeaturePanel, FeaturePanel]
"""Two statistics of the same rows under one model: of the horizontal axis and of the vertical one."""

_MOST = 500  # points of each set that are drawn
_PAIR = 2


def add_scatter(parser: argparse.ArgumentParser) -> None:
    """Add the options that say which two statistics are shown, and how."""
    add = parser.add_argument
    add("--n_statistics", type=int, default=_PAIR, metavar="2", help="two, at random by --seed (the default)")
    add("--statistics", nargs="+", default=[], metavar="NAME", help="or the two statistics of these names")
    add(
        "--fitted_distribution", action="store_true", help="with the normal fitted to the in-distribution set"
    )


def pairs_of(request: PaperRequest) -> list[PanelPair]:
    """Return the two statistics of every model that the options of a request ask for.

    Raises:
        ValueError: they are not two, or not there.
    """
    options = request.options
    chosen = len(options.statistics) or options.n_statistics
    if chosen != _PAIR:
        raise ValueError(f"A scatter shows 2 statistics against each other, got {chosen}.")
    panels = feature_panels(request, _PAIR, options.statistics)
    return list(zip(panels[::2], panels[1::2], strict=True))


def save_scatter(
    parser: argparse.ArgumentParser,
    name: str,
    make_figure: Callable[..., Figure],
    arguments: Sequence[str] | None,
) -> None:
    """Parse the arguments of a figure with a scatter, draw it and save it with its numbers.

    Args:
        parser: of `paper_parser`.
        name: of the figure's file.
        make_figure: takes pairs of panels, `fitted` and `seed`.
        arguments: as of `main`.
    """
    add_scatter(parser)
    request = request_of(parser.parse_args(arguments), name)
    request.require()
    pairs = pairs_of(request)
    figure = make_figure(pairs, fitted=request.options.fitted_distribution, seed=request.seed)
    save_with_numbers(figure, request.output, HEADER, table(pairs, request.seed))


def draw_scatter(
    axis: Axes, pair: PanelPair, colours: Mapping[str, str], *, fitted: bool = False, seed: int = 0
) -> None:
    """Draw up to 500 points of each set, and the ellipses of one and two deviations of fitted normals."""
    edges = [common_edges(panel.sets, 1) for panel in pair]
    hidden = nonfinite = 0
    for place, name in enumerate(pair[0].sets):
        points = _points(pair, name, seed)
        finite = points[np.isfinite(points).all(axis=1)]
        inside = np.all([(e[0] <= v) & (v <= e[-1]) for e, v in zip(edges, finite.T, strict=True)], axis=0)
        marker = MARKERS[place % len(MARKERS)]
        x, y = finite[inside].T
        axis.scatter(x, y, s=5, color=colours[name], marker=marker, alpha=0.5, linewidths=0)
        nonfinite += len(points) - len(finite)
        hidden += len(finite) - int(inside.sum())
    if fitted:
        _draw_normals(axis, pair)
    axis.set(xlim=edges[0][[0, -1]], ylim=edges[1][[0, -1]])
    axis.set_title(_note(pair, hidden, nonfinite), fontsize=6)


def table(pairs: Sequence[PanelPair], seed: int = 0) -> Iterator[tuple[object, ...]]:
    """Yield the points that are drawn."""
    for one, other in pairs:
        for name, values in one.sets.items():
            role = "in-distribution" if name == one.in_distribution else "out-of-distribution"
            for row in _rows(len(values), seed):
                x, y = float(values[row]), float(other.sets[name][row])
                yield one.model, short_name(name), role, int(row), one.name, x, other.name, y


def _points(pair: PanelPair, name: str, seed: int) -> NDArray[np.float64]:
    """Return the points of one set that may be drawn, (n, 2)."""
    both = np.stack([panel.sets[name] for panel in pair], axis=1)
    return both[_rows(len(both), seed)]


def _rows(count: int, seed: int) -> NDArray[np.int64]:
    """Return which rows are drawn: all, or a random choice in their order."""
    if count <= _MOST:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).choice(count, _MOST, replace=False))


def _draw_normals(axis: Axes, pair: PanelPair) -> None:
    normals = [normal_of(panel.sets[panel.in_distribution]) for panel in pair]
    if normals[0] is None or normals[1] is None:
        return
    centre = (normals[0].mean, normals[1].mean)
    for deviations in (1, 2):
        width, height = (2 * deviations * normal.deviation for normal in normals if normal is not None)
        axis.add_patch(Ellipse(centre, width, height, fill=False, color="#333333", linestyle="--", lw=0.9))


def _note(pair: PanelPair, hidden: int, nonfinite: int) -> str:
    """Say how many points there are, and how many of them are not shown."""
    sizes = [len(values) for values in pair[0].sets.values()]
    drawn = f"{_MOST} of each set at random" if max(sizes) > _MOST else "all points"
    parts = [drawn, f"{hidden} outside" if hidden else "", f"{nonfinite} not finite" if nonfinite else ""]
    return ", ".join(filter(None, parts))
