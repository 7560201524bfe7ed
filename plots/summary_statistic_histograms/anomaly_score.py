"""Histograms of anomaly scores, in- against out-of-distribution, one panel per model and method."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from plots.command import run_command
from plots.output import save_pages
from plots.paper_command import paper_parser, request_of
from plots.scoring import ScoredSets, scored_sets
from plots.style import short_name
from plots.summary_statistic_histograms.features import FeaturePanel, models_text, rows_text
from plots.summary_statistic_histograms.figure import HEADER, Look, table
from plots.summary_statistic_histograms.figure import make_figure as draw_panels

__all__ = ["main", "make_figure", "score_panels"]

EXAMPLE = (
    "glow cifar10 --id_datasets cifar10 --datasets cifar10 svhn "
    "--anomaly_detection gradients_L2_norms_gaussian typicality --batch_size 5"
)


def make_figure(scored: Sequence[ScoredSets], look: Look | None = None) -> Figure:
    """Draw the scores of each model and method; a method has learnt from other images than are shown."""
    meta = scored[0].meta
    title = f"{models_text(item.model for item in scored)}: anomaly scores, {rows_text(meta)} ({meta.split})"
    return draw_panels(score_panels(scored), look, title=title)


def score_panels(scored: Sequence[ScoredSets]) -> list[FeaturePanel]:
    """Return a panel of each model and method, with the AUROC of each set above it."""
    axis = "anomaly score (higher is more anomalous)"
    return [
        FeaturePanel(item.model, item.method, item.sets, item.meta, axis, _aurocs(item)) for item in scored
    ]


def _aurocs(item: ScoredSets) -> str:
    joined = "\N{NO-BREAK SPACE}"  # so that a line does not end between a name and its number
    listed = (f"{short_name(name)} {value:.3f}".replace(" ", joined) for name, value in item.aurocs.items())
    return f"AUROC {', '.join(listed)}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Score all sets by one or several methods and draw the histograms."""
    parser = paper_parser("plots.summary_statistic_histograms.anomaly_score", __doc__, EXAMPLE, methods="+")
    parser.add_argument("--bins", type=int, default=40, metavar="N", help="of each histogram (default: 40)")
    options = parser.parse_args(arguments)
    request = request_of(options, "anomaly_score")
    scored, look = scored_sets(request), Look(bins=options.bins)
    save_pages([make_figure(scored, look)], request.output, HEADER, table(score_panels(scored), look))


if __name__ == "__main__":
    run_command(main)
