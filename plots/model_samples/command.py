"""The command line that figures of samples share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import folder_locations
from plots.command import figure_parser
from plots.model_samples.grids import named_after, save
from plots.output import require_output
from plots.pictures import load_pictures

__all__ = ["draw"]


def draw(arguments: Sequence[str] | None, module: str, description: str, *, several: bool) -> None:
    """Draw the images of one file, or of several side by side.

    Raises:
        FileNotFoundError: a file is not there.
        ValueError: a file holds no images, or a number is out of range.
        OSError: nothing can be written at the output.
    """
    example = "samples.npz    # by main.py sample --run RUN --array samples.npz"
    parser = figure_parser(module, description, example)
    add = parser.add_argument
    add("files", nargs="+" if several else 1, type=Path, metavar="FILE", help=".npz or .npy of images")
    add("--n", type=int, default=64, metavar="N", help="images of each, from the first (default: 64)")
    if several:
        add("--columns", type=int, default=3, metavar="N", help="sets side by side, at most (default: 3)")
    add(
        "--output", type=Path, metavar="PATH", help="figure to write, without a suffix (default: in figures/)"
    )
    options = parser.parse_args(arguments)
    output = options.output or folder_locations.figures_folder() / named_after("model_samples", options.files)
    require_output(output)
    sets = [load_pictures(path) for path in options.files]
    save(sets, output, options.n, options.columns if several else 1)
