"""Histograms of every parameter tensor's log squared gradient norm, in- against out-of-distribution.

Figure of the second paper (Dauncey et al., 2024): over in-distribution images log f_l is close to normal, and
images of other sets lie elsewhere. Shown as well: log-likelihoods, in total and per scale (likelihoods).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from plots.histogram import LINES, common_edges, counted, draw_normal, draw_sets, normal_of
from plots.legends import titled_legend
from plots.output import save_pages
from plots.paper_command import paper_parser, request_of
from plots.style import colours_of, new_figure, short_name, style
from plots.summary_statistic_histograms.features import (
    SQUARED_NORMS,
    FeaturePanel,
    feature_panels,
    kind_of,
    models_text,
    quantity,
    rows_text,
)
from plots.wrapping import wrapped

__all__ = [
    "EXAMPLE",
    "Look",
    "add_statistics",
    "legend_of",
    "main",
    "make_figure",
    "pages_of",
    "table",
    "title_of",
]

EXAMPLE = (
    "glow cifar10 --id_datasets cifar10 --datasets cifar10 svhn "
    "--anomaly_detection gradients_L2_norms_gaussian --batch_size 5 --fitted_distribution --n_statistics 1"
)
HEADER = ("model", "statistic", "set", "role", "mean", "deviation", "bin_left", "bin_right", "rows")

_BINS = 40
_LARGE = 6  # up to so many panels are as wide as a column of text
_SMALL_COLUMNS, _SMALL_ROWS = 4, 8


@dataclass(frozen=True)
class Look:
    """How panels are drawn.

    Attributes:
        fitted: whether with the normal fitted to the in-distribution set.
        bins: of each histogram.
        shared: whether all panels have one axis.
    """

    fitted: bool = False
    bins: int = _BINS
    shared: bool = False

    def edges(self, panel: FeaturePanel, panels: Sequence[FeaturePanel]) -> NDArray[np.float64]:
        """Return the bins of one of the panels, which is not empty."""
        shown = enumerate(panels if self.shared else [panel])
        return common_edges({f"{n} {name}": v for n, one in shown for name, v in one.sets.items()}, self.bins)


def make_figure(panels: Sequence[FeaturePanel], look: Look | None = None, *, title: str = "") -> Figure:
    """Draw one histogram per panel on one page: large ones if there are few, else 4 in a row."""
    chosen = look or Look()
    colours = colours_of([name for panel in panels for name in panel.sets])
    large = len(panels) <= _LARGE
    columns = min(len(panels), 3 if len(panels) != 4 else 2) if large else _SMALL_COLUMNS
    rows = -(-len(panels) // columns)
    width, height = (3.3 if columns < 3 else 2.6, 2.3) if large else (1.75, 1.2)
    with style():
        figure, axes = new_figure(columns, rows, panel_width=width, panel_height=height)
        for axis, panel in zip(axes, panels, strict=False):
            axis.set_title(_title(panel, panels, width, size := 7 if large else 5), fontsize=size)
            if panel.is_empty:
                axis.text(0.5, 0.5, "no finite value", transform=axis.transAxes, ha="center", fontsize=6)
            else:
                _draw(axis, panel, chosen, chosen.edges(panel, panels), colours, large=large)
        for axis in axes[len(panels) :]:
            axis.set_axis_off()
        _label(figure, panels)
        legend_of(figure, panels, colours, title or title_of(panels), fitted=chosen.fitted)
    return figure


def pages_of(panels: Sequence[FeaturePanel], look: Look | None = None) -> Iterator[Figure]:
    """Yield the pages of a figure: all panels on one if they are few, else models one after the other."""
    if len(panels) <= _LARGE:
        yield make_figure(panels, look)
        return
    size = _SMALL_COLUMNS * _SMALL_ROWS
    for model in dict.fromkeys(panel.model for panel in panels):
        own = [panel for panel in panels if panel.model == model]
        pages = -(-len(own) // size)
        for page in range(pages):
            number = f", page {page + 1} of {pages}" if pages > 1 else ""
            shown = own[page * size : (page + 1) * size]
            yield make_figure(shown, look, title=f"{title_of(own)}{number}")


def table(panels: Sequence[FeaturePanel], look: Look | None = None) -> Iterator[tuple[object, ...]]:
    """Yield the numbers of the figure, rows per bin; infinite edges hold what lies beyond the axis.

    A row without edges counts values that are NaN or infinite; mean and deviation are of the finite ones.
    """
    for panel in panels:
        edges = np.zeros(1) if panel.is_empty else (look or Look()).edges(panel, panels)
        everything = [-np.inf, *map(float, edges), np.inf]
        for name, values in panel.sets.items():
            counts, finite = counted(values, edges), values[np.isfinite(values)]
            role = "in-distribution" if name == panel.in_distribution else "out-of-distribution"
            moments = (float(finite.mean()), float(finite.std())) if finite.size else ("", "")
            start = (panel.model, panel.name, short_name(name), role, *moments)
            inside = [counts.below, *map(int, counts.inside), counts.above]
            for left, right, count in zip(everything[:-1], everything[1:], inside, strict=True):
                yield *start, left, right, count
            yield *start, "", "", counts.nonfinite


def title_of(panels: Sequence[FeaturePanel]) -> str:
    """Return what a figure is about: models, what was judged, and how many statistics are shown."""
    statistics = len(dict.fromkeys(panel.name for panel in panels))
    meta = panels[0].meta
    words = {"likelihood": "log-likelihood", **dict.fromkeys(SQUARED_NORMS, "parameter tensor")}
    what = words.get(meta.kind, "statistic")
    count = f"{statistics:,} {what}{'s' if statistics > 1 else ''}"
    return f"{models_text(panel.model for panel in panels)}: {count}, {rows_text(meta)} ({meta.split})"


def legend_of(
    figure: Figure, panels: Sequence[FeaturePanel], colours: Mapping[str, str], title: str, *, fitted: bool
) -> None:
    """Write the title and explain colours above the panels, where the legend hides nothing."""
    inside = {panel.in_distribution for panel in panels}
    entries: dict[str, Line2D] = {}
    for panel in panels:
        for place, name in enumerate(panel.sets):
            role = (" (in)" if name in inside else " (out)") if len(inside) == 1 else ""
            label = f"{short_name(name)}{role}, n = {_sizes(panels, name)}"
            line: Any = LINES[place % len(LINES)] if len(inside) == 1 else "-"
            entries.setdefault(name, Line2D([], [], color=colours[name], linestyle=line, label=label))
    handles = list(entries.values())
    if fitted:
        label = "normal fitted to (in)" if len(inside) == 1 else "normal fitted to the filled set"
        handles.append(Line2D([], [], color="#333333", linewidth=0.9, linestyle=(0, (4, 2)), label=label))
    titled_legend(figure, handles, title)


def _sizes(panels: Sequence[FeaturePanel], name: str) -> str:
    """Return how many values a set has; methods that learn from one half of it score fewer."""
    sizes = sorted({len(panel.sets[name]) for panel in panels if name in panel.sets})
    return f"{sizes[0]:,}" if len(sizes) == 1 else f"{sizes[0]:,} to {sizes[-1]:,}"


def _draw(
    axis: Axes,
    panel: FeaturePanel,
    look: Look,
    edges: NDArray[np.float64],
    colours: Mapping[str, str],
    *,
    large: bool,
) -> None:
    draw_sets(axis, panel.sets, edges, colours, width=1.1 if large else 0.8)
    normal = normal_of(panel.sets[panel.in_distribution])
    if look.fitted and normal is not None:
        draw_normal(axis, normal, edges)
    axis.set_ylim(0, 1.18 * axis.get_ylim()[1])
    if not large:
        axis.tick_params(labelsize=5, pad=1, length=2)
        axis.locator_params(nbins=4)


def _title(panel: FeaturePanel, panels: Sequence[FeaturePanel], width: float, size: float) -> str:
    """Return what a panel shows, and where there are several models of which; `width` is the panel's."""
    model = f"model {panel.model}" if len({one.model for one in panels}) > 1 else ""
    return wrapped("\n".join(filter(None, (model, panel.name, panel.note))), 0.82 * width, size)


def _label(figure: Figure, panels: Sequence[FeaturePanel]) -> None:
    """Write the quantities once for the page."""
    meta = panels[0].meta
    figure.supylabel(f"{rows_text(meta).split(' ')[0]} per bin (% of set)", fontsize=8)
    figure.supxlabel(wrapped(panels[0].axis or quantity(meta), figure.get_figwidth() - 0.3), fontsize=8)


def add_statistics(parser: argparse.ArgumentParser) -> None:
    """Add the options that say which statistics are shown, and how."""
    add = parser.add_argument
    add("--n_statistics", type=int, metavar="N", help="random statistics to show, by --seed (default: all)")
    add("--statistics", nargs="+", default=[], metavar="NAME", help="or the statistics of these names")
    add(
        "--fitted_distribution", action="store_true", help="with the normal fitted to the in-distribution set"
    )
    add("--bins", type=int, default=_BINS, metavar="N", help=f"of each histogram (default: {_BINS})")


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw the histograms of all statistics, or of some."""
    parser = paper_parser("plots.summary_statistic_histograms", __doc__, EXAMPLE)
    add_statistics(parser)
    options = parser.parse_args(arguments)
    request = request_of(options, "summary_statistic_histograms")
    kind_of(request.methods[0])
    request.require()
    panels = feature_panels(request, options.n_statistics, options.statistics)
    look = Look(options.fitted_distribution, options.bins)
    save_pages(pages_of(panels, look), request.output, HEADER, table(panels, look))
