"""Training curves: bits per dimension and AUROC against the optimizer step, of one or several runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from anomaly_methods.run_names import run_names
from plots.command import figure_parser, run_command
from plots.hierarchy_command import add_figure, figure_path, read_runs
from plots.legends import legend_below
from plots.output import save_figure, save_table
from plots.style import colours_of, new_figure, short_name, style
from plots.training_metrics import Curve, TrainingMetrics, read_training_metrics
from plots.wrapping import wrapped

__all__ = ["make_figure", "save", "table"]

_TABLE = ("run", "quantity", "set", "step", "value")
# What tells how well the model fits: quantity -> its axis. The first that was recorded is drawn.
_FITS: Mapping[str, str] = {
    "bits_per_dim": "bits per dimension",
    "surrogate": "mean surrogate of log p(x) (nats)",
}
# AUROCs: quantity -> what it is of, and its line.
_AUROCS: Mapping[str, tuple[str, str]] = {
    "auroc": ("likelihood ratio to the base", "-"),
    "auroc_raw": ("raw likelihood", "--"),
}
_BATCH, _TRAIN, _TEST = "batch", "train", "test"
_SHOWN = (0.0, 0.97)  # quantiles of the batches that the axis shows in any case
_NO_AUROC = "No AUROC was recorded while training:\nname other sets with\nmain.py train --evaluate-on SET"


def make_figure(runs: Sequence[TrainingMetrics]) -> Figure:
    """Draw one row for each run: its fit and, where a run recorded any, its AUROCs.

    The fits of all runs have the same limits, so that their heights can be compared.

    Raises:
        ValueError: there is no run, or one recorded neither bits per dimension nor a surrogate of them.
    """
    if not runs:
        raise ValueError("Training curves need at least one run, got none.")
    colours, limits = _colours(runs), _common_limits(runs)
    columns = 2 if any(_has_auroc(run) for run in runs) else 1
    with style():
        figure, axes = new_figure(columns=columns, rows=len(runs), panel_height=2.6)
        for run, fit in zip(runs, axes[::columns], strict=True):
            _draw_fit(fit, run, colours, limits)
        if columns == 2:
            for run, axis in zip(runs, axes[1::2], strict=True):
                _draw_aurocs(axis, run, colours)
    return figure


def table(runs: Sequence[TrainingMetrics]) -> Iterator[tuple[object, ...]]:
    """Yield every recorded number that the figure is about; a value that was not finite is "nan"."""
    for run in runs:
        for quantity in (*_FITS, *_AUROCS):
            for name, curve in run.of(quantity).items():
                for step, value in zip(curve.steps, curve.values, strict=True):
                    yield run.run, quantity, name, int(step), float(value)


def save(runs: Sequence[TrainingMetrics], path: Path) -> tuple[Path, Path, Path]:
    """Save the figure as PDF and PNG and its numbers as CSV, and return the files; `path` has no suffix."""
    pdf, png = save_figure(make_figure(runs), path)
    return pdf, png, save_table(path, _TABLE, table(runs))


def _colours(runs: Sequence[TrainingMetrics]) -> dict[str, str]:
    own = [run.dataset for run in runs]
    watched = [name for run in runs for quantity in (*_FITS, *_AUROCS) for name in run.of(quantity)]
    return colours_of(own, [name for name in watched if name not in (_BATCH, _TRAIN, _TEST)])


def _has_auroc(run: TrainingMetrics) -> bool:
    return any(run.of(quantity) for quantity in _AUROCS)


def _fit(run: TrainingMetrics) -> tuple[str, dict[str, Curve]]:
    """Return the quantity, and the curves of each set."""
    for quantity in _FITS:
        if curves := run.of(quantity):
            return quantity, curves
    raise ValueError(f"{run.run} recorded no bits per dimension: its metrics.jsonl is of something else.")


def _draw_fit(
    axis: Axes, run: TrainingMetrics, colours: Mapping[str, str], limits: Mapping[str, tuple[float, float]]
) -> None:
    quantity, curves = _fit(run)
    own = colours[run.dataset]
    for name, curve in curves.items():
        label = _label(run, name, curve, *limits[quantity])
        kept = curve.finite()
        if name == _BATCH:
            axis.plot(kept.steps, kept.values, color=own, alpha=0.35, linewidth=0.5, label=label, zorder=1)
        else:
            line = "--" if name == _TRAIN else "-"
            colour = own if name in (_TRAIN, _TEST) else colours[name]
            axis.plot(kept.steps, kept.values, line, color=colour, marker="o", markersize=3, label=label)
    axis.set_title(wrapped(f"Fit of {run.run}, trained on {short_name(run.dataset)}"))
    axis.set(ylabel=f"{_FITS[quantity]}\n{run.bound_on(quantity)}".strip(), ylim=limits[quantity])
    _finish(axis, run)


def _label(run: TrainingMetrics, name: str, curve: Curve, low: float, high: float) -> str:
    """Name a curve, and say how many of its values the axis does not show."""
    kept = curve.finite()
    hidden = curve.nonfinite + int(np.count_nonzero((kept.values < low) | (kept.values > high)))
    rest = f", {hidden} of {len(curve.values)} not shown" if hidden else ""
    names = {
        _BATCH: f"training batches of {run.batch_size}",
        _TRAIN: "training images",
        _TEST: f"{short_name(run.dataset)} test",
    }
    return f"{names.get(name, f'{short_name(name)} test')}{rest}"


def _common_limits(runs: Sequence[TrainingMetrics]) -> dict[str, tuple[float, float]]:
    """Return {quantity: limits} that hold what all runs with this quantity must show, bounds or not."""
    found: dict[str, list[tuple[float, float]]] = {}
    for quantity, curves in map(_fit, runs):
        found.setdefault(quantity, []).append(_limits(curves))
    return {
        name: (min(low for low, _ in ends), max(high for _, high in ends)) for name, ends in found.items()
    }


def _limits(curves: Mapping[str, Curve]) -> tuple[float, float]:
    """Return what an axis shows: all evaluations, and the batches but for the highest few."""
    ends = []
    for name, curve in curves.items():
        values = curve.finite().values
        if len(values):
            shown = np.quantile(values, _SHOWN) if name == _BATCH else (values.min(), values.max())
            ends.append(tuple(map(float, shown)))
    if not ends:
        raise ValueError("All values of the training curves are NaN or infinite: there is nothing to draw.")
    low, high = min(end[0] for end in ends), max(end[1] for end in ends)
    margin = 0.05 * (high - low) or 0.5
    return low - margin, high + margin


def _draw_aurocs(axis: Axes, run: TrainingMetrics, colours: Mapping[str, str]) -> None:
    if not _has_auroc(run):
        axis.text(0.5, 0.5, _NO_AUROC, transform=axis.transAxes, ha="center", va="center", fontsize=7)
        axis.set_axis_off()
        return
    for quantity, (words, line) in _AUROCS.items():
        for name, curve in run.of(quantity).items():
            kept = curve.finite()
            rest = f", {curve.nonfinite} not finite" if curve.nonfinite else ""
            label = f"{short_name(name)}, {words}{rest}"
            axis.plot(
                kept.steps, kept.values, line, color=colours[name], marker="o", markersize=3, label=label
            )
    axis.axhline(0.5, color="#888888", linewidth=0.8, linestyle=":", label="chance")
    axis.set_title(wrapped(f"{short_name(run.dataset)} test against others, {run.run}"))
    axis.set_ylabel("AUROC")
    axis.set_ylim(-0.02, 1.02)
    _finish(axis, run)


def _finish(axis: Axes, run: TrainingMetrics) -> None:
    last = max(int(curve.steps.max()) for curve in run.curves.values())
    axis.set(xlabel="optimizer step", xlim=(0, 1.02 * last))
    legend_below(axis, width=2.3)


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw what runs recorded while they were trained."""
    parser = figure_parser("plots.training_curves", __doc__, "--run runs/cifar10 runs/cifar10/general")
    parser.add_argument("--run", required=True, nargs="+", metavar="DIR", help="runs, finished or not")
    add_figure(parser)
    options = parser.parse_args(arguments)
    folders = read_runs(options.run)
    output = figure_path(options.output, "training-curves", options.run)
    runs = [
        read_training_metrics(folder, name) for folder, name in zip(folders, run_names(folders), strict=True)
    ]
    for file in save(runs, output):
        print(file)


if __name__ == "__main__":
    run_command(main)
