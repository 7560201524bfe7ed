"""The log squared gradient norms of two parameter tensors against each other, one panel per model.

Figure of the second paper (Dauncey et al., 2024), which finds the norms of layers weakly correlated: sets
that one layer cannot tell apart another one can.
"""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from plots.command import run_command
from plots.legends import titled_legend
from plots.paper_command import paper_parser
from plots.style import colours_of, new_figure, short_name, style
from plots.summary_statistic_histograms.features import models_text, quantity, rows_text
from plots.summary_statistic_histograms.scatter import MARKERS, PanelPair, draw_scatter, save_scatter
from plots.wrapping import wrapped

__all__ = ["main", "make_figure", "scatter_legend"]

EXAMPLE = (
    "glow cifar10 --id_datasets cifar10 --datasets cifar10 svhn "
    "--anomaly_detection gradients_L2_norms_gaussian --batch_size 5"
)


def make_figure(pairs: Sequence[PanelPair], *, fitted: bool = False, seed: int = 0) -> Figure:
    """Draw a scatter for each model."""
    colours = colours_of([name for one, _ in pairs for name in one.sets])
    columns = min(len(pairs), 3)
    with style():
        figure, axes = new_figure(columns, -(-len(pairs) // columns), panel_width=3.0, panel_height=3.0)
        for axis, pair in zip(axes, pairs, strict=False):
            draw_scatter(axis, pair, colours, fitted=fitted, seed=seed)
            axis.set_title(wrapped(f"model {pair[0].model}\n{axis.get_title()}", 2.4, 7), fontsize=7)
            axis.set_xlabel(wrapped(pair[0].name, 2.4, 6), fontsize=6)
            axis.set_ylabel(wrapped(pair[1].name, 2.4, 6), fontsize=6)
        for axis in axes[len(pairs) :]:
            axis.set_axis_off()
        scatter_legend(figure, pairs, colours, fitted=fitted)
    return figure


def scatter_legend(
    figure: Figure, pairs: Sequence[PanelPair], colours: dict[str, str], *, fitted: bool
) -> None:
    """Write the title and explain the markers above the panels."""
    meta, inside = pairs[0][0].meta, {one.in_distribution for one, _ in pairs}
    handles = []
    for place, name in enumerate(dict.fromkeys(name for one, _ in pairs for name in one.sets)):
        role = (" (in)" if name in inside else " (out)") if len(inside) == 1 else ""
        size = next(len(one.sets[name]) for one, _ in pairs if name in one.sets)
        marker = MARKERS[place] if len(inside) == 1 else "o"
        label = f"{short_name(name)}{role}, n = {size:,}"
        handles.append(Line2D([], [], color=colours[name], linestyle="", marker=marker, ms=4, label=label))
    if fitted:
        label = "fitted normal: 1, 2 deviations"
        handles.append(Line2D([], [], color="#333333", linestyle="--", linewidth=0.9, label=label))
    models = models_text(one.model for one, _ in pairs)
    title = f"{models}, {rows_text(meta)} ({meta.split})\n{quantity(meta)} of two statistics"
    titled_legend(figure, handles, title)


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw the scatter of two statistics under every model."""
    parser = paper_parser("plots.summary_statistic_histograms.scatter_main", __doc__, EXAMPLE)
    save_scatter(parser, "scatter", make_figure, arguments)


if __name__ == "__main__":
    run_command(main)
