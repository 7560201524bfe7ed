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

__all__ = ["last_values", "training_pictures"]

_FITS = {"bits_per_dim": "Bits per dimension", "surrogate": "Mean surrogate of log p(x) in nats"}
_AUROCS = {"auroc": "likelihood ratio", "auroc_raw": "raw likelihood"}


def training_pictures(metrics: TrainingMetrics) -> list[Picture]:
    """Return the curves of how well the model fits and, if recorded, of the AUROC.

    Raises:
        ValueError: there is nothing to draw.
    """
    words, curves = _fit(metrics)
    alternatives = [_words(words, metrics, curves)]
    aurocs = {
        f"{short_name(name)} by {words}": curve
        for quantity, words in _AUROCS.items()
        for name, curve in metrics.of(quantity).items()
    }
    alternatives += [_words("AUROC", metrics, aurocs)] if aurocs else []
    return [drawn(partial(_one_panel, metrics, number), words) for number, words in enumerate(alternatives)]


def last_values(metrics: TrainingMetrics) -> dict[str, float]:
    """Return how well the model fits, from the last evaluation while training.

    Returns:
        For example {"Bits per dimension, test": 3.2}; a value that was not finite is NaN.
    """
    words, curves = _fit(metrics)
    sets = {short_name(name): curve for name, curve in curves.items() if name != "batch"}
    return {f"{words}, {name}": float(curve.values[-1]) for name, curve in sets.items()}


def _fit(metrics: TrainingMetrics) -> tuple[str, Mapping[str, Curve]]:
    """Return the first quantity that was recorded, in words, and its curves by set."""
    for quantity, words in _FITS.items():
        if curves := metrics.of(quantity):
            return f"{words} {metrics.bound_on(quantity)}".strip(), curves
    return "", {}


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
