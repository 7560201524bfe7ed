"""Draw the normalised Fisher information matrix: the identity, if the matrix is diagonal."""

from __future__ import annotations

from plots.FIM_approximation.command import run_figure
from plots.FIM_approximation.normalised import save

if __name__ == "__main__":
    run_figure("", str(__doc__), save)
