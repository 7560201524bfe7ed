"""Histograms of the log squared gradient norms of two parameter tensors, and both against each other.

Figure of the second paper (Dauncey et al., 2024): a row for each model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from plots.command import run_command
from plots.histogram import common_edges, draw_normal, draw_sets, normal_of
from plots.paper_command import paper_parser
from plots.style import colours_of, new_figure, style
from plots.summary_statistic_histograms.features import FeaturePanel, quantity, rows_text
from plots.summary_statistic_histograms.figure import legend_of, title_of
from plots.summary_statistic_histograms.scatter import PanelPair, draw_scatter, save_scatter
from plots.wrapping import wrapped

__all__ = ["main", "make_figure"]

EXAMPLE = (
    "glow cifar10 --id_datasets cifar10 --datasets cifar10 svhn "
    "--anomaly_detection gradients_L2_norms_gaussian --batch_size 5 --fitted_distribution"
)

_BINS = 40


def make_figure(pairs: Sequence[PanelPair], *, fitted: bool = False, seed: int = 0) -> Figure:
    """Draw a row for each model: two histograms and the scatter."""
    panels = [panel for pair in pairs for panel in pair]
    colours = colours_of([name for panel in panels for name in panel.sets])
    with style():
        figure, axes = new_figure(3, len(pairs), panel_width=2.4, panel_height=2.4)
        for row, pair in enumerate(pairs):
            first, second, scatter = axes[3 * row : 3 * row + 3]
            for axis, panel in zip((first, second), pair, strict=True):
                _draw_histogram(axis, panel, colours, fitted=fitted)
            rows = rows_text(pair[0].meta).split(" ")[0]
            first.set_ylabel(wrapped(f"model {pair[0].model}\n{rows} per bin (%)", 2.0))
            draw_scatter(scatter, pair, colours, fitted=fitted, seed=seed)
            scatter.set_xlabel(wrapped(pair[0].name, 1.9, 6), fontsize=6)
            scatter.set_ylabel(wrapped(pair[1].name, 1.9, 6), fontsize=6)
        figure.supxlabel(quantity(panels[0].meta), fontsize=8)
        legend_of(figure, panels, colours, title_of(panels), fitted=fitted)
    return figure


def _draw_histogram(axis: Axes, panel: FeaturePanel, colours: Mapping[str, str], *, fitted: bool) -> None:
    edges = common_edges(panel.sets, _BINS)
    draw_sets(axis, panel.sets, edges, colours)
    normal = normal_of(panel.sets[panel.in_distribution])
    if fitted and normal is not None:
        draw_normal(axis, normal, edges)
    axis.set_ylim(0, 1.18 * axis.get_ylim()[1])
    axis.set_title(wrapped(panel.name, 2.0, 6), fontsize=6)


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw the histograms and the scatter of two statistics under every model."""
    parser = paper_parser("plots.summary_statistic_histograms.with_scatter", __doc__, EXAMPLE)
    save_scatter(parser, "with_scatter", make_figure, arguments)


if __name__ == "__main__":
    run_command(main)
