"""`python -m plots.summary_statistic_histograms`."""

from __future__ import annotations

from plots.command import run_command
from plots.summary_statistic_histograms.figure import main

if __name__ == "__main__":
    run_command(main)
