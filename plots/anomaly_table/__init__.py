"""Tables of AUROC: methods on all pairs of sets, and two methods side by side."""

from __future__ import annotations

from plots.anomaly_table.tables import make_tables

__all__ = ["make_tables"]
