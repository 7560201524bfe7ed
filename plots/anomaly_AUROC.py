"""ROC curves of methods: of all anomalies, how many are flagged, against how many normal images are.

With one method, a panel for each model and a curve for each set; with several, a panel for each model and set
and a curve for each method.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from anomaly_methods.metrics import roc_curve
from plots.command import run_command
from plots.histogram import LINES
from plots.legends import legend_below
from plots.output import save_with_numbers
from plots.paper_command import paper_parser, request_of
from plots.scoring import ScoredSets, scored_sets
from plots.style import COLOURS, colours_of, new_figure, short_name, style
from plots.summary_statistic_histograms.features import models_text, rows_text
from plots.wrapping import wrapped

__all__ = ["main", "make_figure", "table"]

EXAMPLE = (
    "glow cifar10 --id_datasets cifar10 --datasets cifar10 svhn "
    "--anomaly_detection gradients_L2_norms_gaussian typicality --batch_size 5"
)
HEADER = ("model", "method", "in_distribution", "set", "auroc", "false_positive_rate", "true_positive_rate")

_POINTS = 400  # of a curve that are kept; more than can be told apart on paper


@dataclass(frozen=True)
class _Curve:
    """One curve: how it is called and looks, and the scores behind it."""

    label: str
    colour: str
    scored: ScoredSets
    name: str

    def points(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return _points(self.scored, self.name)


def make_figure(scored: Sequence[ScoredSets]) -> Figure:
    """Draw the curves, with the AUROC of each in the legend of its panel."""
    panels = _panels(scored)
    columns = min(len(panels), 3 if len(panels) != 4 else 2)
    with style():
        figure, axes = new_figure(columns, -(-len(panels) // columns), panel_width=2.7, panel_height=3.4)
        for axis, (title, curves) in zip(axes, panels.items(), strict=False):
            _draw(axis, title, curves)
        for axis in axes[len(panels) :]:
            axis.set_axis_off()
        figure.suptitle(wrapped("\n".join(_title(scored)), figure.get_figwidth() - 0.2), fontsize=8)
    return figure


def table(scored: Sequence[ScoredSets]) -> Iterator[tuple[object, ...]]:
    """Yield the points of the curves, as rates between 0 and 1."""
    for item in scored:
        for name, auroc in item.aurocs.items():
            start = (item.model, item.method, short_name(item.in_distribution), short_name(name), auroc)
            for false, true in zip(*_points(item, name), strict=True):
                yield *start, float(false), float(true)


def _panels(scored: Sequence[ScoredSets]) -> dict[str, list[_Curve]]:
    """Return {title: curves}."""
    methods = list(dict.fromkeys(item.method for item in scored))
    sets = colours_of([name for item in scored for name in item.sets])
    colours = dict(zip(methods, list(COLOURS.values()) * (1 + len(methods) // len(COLOURS)), strict=False))
    panels: dict[str, list[_Curve]] = {}
    for item in scored:
        for name, auroc in item.aurocs.items():
            if len(methods) == 1:
                title = f"model {item.model}, in: {short_name(item.in_distribution)}"
                label, colour = f"{short_name(name)} {auroc:.3f}", sets[name]
            else:
                title = f"model {item.model}, {short_name(item.in_distribution)} against {short_name(name)}"
                label, colour = f"{item.method} {auroc:.3f}", colours[item.method]
            panels.setdefault(title, []).append(_Curve(label, colour, item, name))
    return panels


def _draw(axis: Axes, title: str, curves: Sequence[_Curve]) -> None:
    axis.plot([0, 100], [0, 100], color="#AAAAAA", linewidth=0.6)
    for place, curve in enumerate(curves):
        false, true = curve.points()
        line = LINES[place % len(LINES)]
        axis.plot(100 * false, 100 * true, color=curve.colour, linestyle=line, label=curve.label)
    axis.set(xlim=(-1, 101), ylim=(-1, 101), aspect="equal")
    axis.set_title(wrapped(title, 2.2, 7), fontsize=7)
    axis.set_xlabel("in-distribution flagged (%)")
    axis.set_ylabel("out-of-distribution flagged (%)")
    legend_below(axis, width=2.0, title="AUROC", title_fontsize=7)


def _title(scored: Sequence[ScoredSets]) -> Iterator[str]:
    meta, methods = scored[0].meta, list(dict.fromkeys(item.method for item in scored))
    yield f"{models_text(item.model for item in scored)}: {', '.join(methods)}"
    sizes = [len(scores) for item in scored for scores in item.sets.values()]
    count = f"{min(sizes):,}" if min(sizes) == max(sizes) else f"{min(sizes):,} to {max(sizes):,}"
    yield f"{count} {rows_text(meta)} of each set ({meta.split})"
    if bad := sum(item.nonfinite for item in scored):
        yield f"{bad:,} scores that are not finite count as the most anomalous"


def _points(item: ScoredSets, name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    false, true = roc_curve(item.sets[item.in_distribution], item.sets[name], nonfinite="anomalous")
    kept = np.unique(np.linspace(0, len(false) - 1, _POINTS).round().astype(int))
    return false[kept], true[kept]


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw the ROC curves of one or several methods."""
    parser = paper_parser("plots.anomaly_AUROC", __doc__, EXAMPLE, methods="+")
    request = request_of(parser.parse_args(arguments), "anomaly_AUROC")
    scored = scored_sets(request)
    save_with_numbers(make_figure(scored), request.output, HEADER, table(scored))


if __name__ == "__main__":
    run_command(main)
