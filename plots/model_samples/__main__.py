"""Draw a grid of the samples of one model, from the array that `main.py sample --array` saved."""

from __future__ import annotations

from plots.command import run_command
from plots.model_samples.command import draw

if __name__ == "__main__":
    run_command(lambda: draw(None, "plots.model_samples", str(__doc__), several=False))
