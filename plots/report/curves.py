"""Training curves of a page: one picture for each quantity, so that a phone shows them in a readable size."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from matplotlib.figure import Figure

from plots.report.content import Picture
from plots.report.pictures import drawn
from plots.style import short_name
from plots.training_curves import make_figure
from plots.training_metrics import Curve, TrainingMetrics

__all__ = ["last_bits_per_dim", "training_pictures"]

_BITS = "bits_per_dim"
_AUROCS = {"auroc": "likelihood ratio", "auroc_raw": "raw likelihood"}


def training_pictures(metrics: TrainingMetrics) -> list[Picture]:
    """Return the curves of how well the model fits and, if recorded, of the AUROC.

    Raises:
        ValueError: there is nothing to draw.
    """
    alternatives = [_words("Bits per dimension", metrics, metrics.of(_BITS))]
    aurocs = {
        f"{short_name(name)} by {words}": curve
        for quantity, words in _AUROCS.items()
        for name, curve in metrics.of(quantity).items()
    }
    alternatives += [_words("AUROC", metrics, aurocs)] if aurocs else []
    return [drawn(partial(_one_panel, metrics, number), words) for number, words in enumerate(alternatives)]


def last_bits_per_dim(metrics: TrainingMetrics) -> dict[str, float]:
    """Return {set: bits per dimension} of the last evaluation while training; NaN where it was not finite."""
    curves = metrics.of(_BITS)
    return {short_name(name): float(curve.values[-1]) for name, curve in curves.items() if name != "batch"}


def _one_panel(metrics: TrainingMetrics, number: int) -> Figure:
    """Return the figure of one run with one of its panels alone."""
    figure = make_figure([metrics])
    axes = list(figure.axes)
    for axis in axes:
        if axis is not axes[number]:
            figure.delaxes(axis)
    axes[number].set_subplotspec(figure.add_gridspec(1, 1)[0, 0])
    figure.set_size_inches(3.3, 2.6)
    return figure


def _words(quantity: str, metrics: TrainingMetrics, curves: Mapping[str, Curve]) -> str:
    ends = [f"{name} ends at {curve.values[-1]:.3f}" for name, curve in curves.items()]
    return f"Training curves of {metrics.run}. {quantity} over optimizer steps: {'; '.join(ends)}."
