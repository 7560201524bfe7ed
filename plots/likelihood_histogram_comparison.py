"""Likelihood histograms of several sets under one or more models, on one axis.

Figure of the second paper (Dauncey et al., 2024): the order of the sets is much the same under all models,
whichever of the sets they were trained on.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from anomaly_methods.statistics import Statistics
from plots.bounds import likelihood_axis, scored
from plots.command import run_command
from plots.output import save_pages
from plots.paper_command import paper_parser, request_of
from plots.paper_request import PaperRequest
from plots.style import short_name
from plots.summary_statistic_histograms.features import FeaturePanel, models_text, rows_text
from plots.summary_statistic_histograms.figure import HEADER, Look, table
from plots.summary_statistic_histograms.figure import make_figure as draw_panels

__all__ = ["comparison_panels", "main", "make_figure"]

EXAMPLE = "glow cifar10 svhn --id_datasets cifar10 svhn --datasets cifar10 svhn"


def make_figure(panels: Sequence[FeaturePanel], look: Look | None = None) -> Figure:
    """Draw a panel for each model, all on one axis; the set that a model was trained on is filled."""
    meta = panels[0].meta
    title = f"{models_text(panel.model for panel in panels)}: log p(x), {rows_text(meta)} ({meta.split})"
    return draw_panels(panels, look or Look(shared=True), title=title)


def comparison_panels(request: PaperRequest) -> list[FeaturePanel]:
    """Return a panel for each model.

    Raises:
        ValueError: one model's log p is a likelihood and another's is none, or groups are of several sizes.
    """
    panels = []
    for model in request.models:
        found = request.statistics(model, "likelihood")
        sets = {name: _per_image(statistics) for name, statistics in found.items()}
        meta = next(iter(found.values())).meta
        name = f"trained on {short_name(model.id_dataset)}"
        panels.append(FeaturePanel(model.name, name, sets, meta, likelihood_axis(meta)))
    axes = list(dict.fromkeys(panel.axis for panel in panels))
    if len(axes) > 1:
        raise ValueError(f"One axis cannot show {' and '.join(axes)}: draw a figure for each of the models.")
    return panels


def _per_image(statistics: Statistics) -> NDArray[np.float64]:
    """Return what `scored` says, of the mean over each group instead of its sum."""
    log_prob = statistics.value("log_prob") / statistics.meta.group_size
    return scored(Statistics({"log_prob": log_prob}, statistics.index, statistics.meta))


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw the likelihoods of all sets under all models."""
    parser = paper_parser("plots.likelihood_histogram_comparison", __doc__, EXAMPLE, methods=None)
    parser.add_argument("--bins", type=int, default=60, metavar="N", help="of each histogram (default: 60)")
    options = parser.parse_args(arguments)
    request = request_of(options, "likelihood_histogram_comparison")
    request.require(["likelihood"])
    panels, look = comparison_panels(request), Look(bins=options.bins, shared=True)
    save_pages([make_figure(panels, look)], request.output, HEADER, table(panels, look))


if __name__ == "__main__":
    run_command(main)
