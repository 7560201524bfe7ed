"""Histograms of the statistics that anomaly methods learn from, one panel per parameter tensor."""

from __future__ import annotations

from plots.summary_statistic_histograms.figure import make_figure

__all__ = ["make_figure"]
