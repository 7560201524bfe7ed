"""What a model is shown of image sets: some images, and the values of all pixels with their moments."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

import folder_locations
from plots.command import figure_parser, run_command
from plots.model_samples.grids import TABLE, channel_names, draw_grid, named_after, table
from plots.output import require_output, save_with_numbers
from plots.pictures import LEVELS, Pictures, load_pictures
from plots.style import COLOURS, new_figure, short_name, style
from plots.wrapping import wrapped

__all__ = ["make_figure"]

_CHANNELS = {
    "red": ("vermilion", "-"),
    "green": ("green", "--"),
    "blue": ("blue", ":"),
    "grey": ("black", "-"),
}
_BINS = 64  # of 4 values each


def make_figure(sets: Sequence[Pictures], n: int = 36) -> Figure:
    """Draw one row for each set: a grid of n images, and the histogram of all pixels of each channel.

    Raises:
        ValueError: there is no set, or n is not positive.
    """
    if not sets or n < 1:
        raise ValueError(f"The figure needs at least one set and one image, got {len(sets)} and {n}.")
    with style():
        figure, axes = new_figure(2, len(sets), panel_width=3.2, panel_height=2.9)
        for left, right, pictures in zip(axes[::2], axes[1::2], sets, strict=True):
            draw_grid(left, pictures, n)
            left.set_title(_title(pictures, n))
            _draw_histogram(right, pictures)
    return figure


def _title(pictures: Pictures, n: int) -> str:
    about = pictures.about
    _, height, width, channels = pictures.images.shape
    shown = f"{min(n, len(pictures.images))} of {pictures.total:,} images"
    name = f"{short_name(str(about.get('name', 'images')))} {about.get('split', '')}".strip()
    return wrapped(
        f"{name}\n{shown}, {height}\N{MULTIPLICATION SIGN}{width}, {channels} channel{'s'[: channels - 1]}",
        2.9,
    )


def _draw_histogram(axis: Axes, pictures: Pictures) -> None:
    edges = np.linspace(-0.5, LEVELS - 0.5, _BINS + 1)
    for channel, binned, found in zip(
        channel_names(pictures), _binned(pictures), pictures.moments(), strict=True
    ):
        colour, line = _CHANNELS[channel]
        percent = 100 * binned / binned.sum()
        moments = f"{found.mean:.1f} \N{PLUS-MINUS SIGN} {found.std:.1f}"
        label = f"{channel}: {moments}, {found.lowest} to {found.highest}"
        axis.stairs(percent, edges, color=COLOURS[colour], linestyle=line, label=label)
    axis.set_yscale("log")
    lowest = min(0.1, *(100 * found[found > 0].min() / found.sum() for found in _binned(pictures)))
    decades = 10.0 ** np.arange(np.floor(np.log10(lowest)), 3)
    axis.set(xlim=(-2, LEVELS + 1), ylim=(0.8 * lowest, 10 ** (2.5 + 0.4 * len(pictures.counts))))
    axis.set_yticks(decades, [f"{value:g}" for value in decades])
    axis.minorticks_off()
    axis.set_xticks([0, 64, 128, 192, 255])
    axis.set_xlabel("value of a pixel (0 to 255)")
    axis.set_ylabel("pixels per 4 values (%)")
    axis.legend(
        title="mean \N{PLUS-MINUS SIGN} std, range", title_fontsize=6.5, loc="upper right", fontsize=6.5
    )


def _binned(pictures: Pictures) -> NDArray[np.int64]:
    """Return the pixels of each channel in each bin, (C, bins)."""
    binned: NDArray[np.int64] = pictures.counts.reshape(len(pictures.counts), _BINS, -1).sum(axis=2)
    return binned


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw from files that `main.py describe` wrote, or from any array of images."""
    example = "described/cifar10-test.npz    # by main.py describe --data cifar10 --output described"
    parser = figure_parser("plots.dataset_validation", __doc__, example)
    add = parser.add_argument
    add("files", nargs="+", type=Path, metavar="FILE", help=".npz of main.py describe, or .npy of images")
    add("--n", type=int, default=36, metavar="N", help="images of each set, at most (default: 36)")
    add(
        "--output", type=Path, metavar="PATH", help="figure to write, without a suffix (default: in figures/)"
    )
    options = parser.parse_args(arguments)
    output = options.output or folder_locations.figures_folder() / named_after(
        "dataset_validation", options.files
    )
    require_output(output)
    sets = [load_pictures(path) for path in options.files]
    save_with_numbers(make_figure(sets, options.n), output, TABLE, table(sets))


if __name__ == "__main__":
    run_command(main)
