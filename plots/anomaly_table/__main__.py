"""`python -m plots.anomaly_table`."""

from __future__ import annotations

from plots.anomaly_table.tables import main
from plots.command import run_command

if __name__ == "__main__":
    run_command(main)
