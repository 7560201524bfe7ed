"""Draw grids of samples of several models, or at several temperatures, or image sets, side by side."""

from __future__ import annotations

from plots.command import run_command
from plots.model_samples.command import draw

if __name__ == "__main__":
    run_command(lambda: draw(None, "plots.model_samples.array", str(__doc__), several=True))
