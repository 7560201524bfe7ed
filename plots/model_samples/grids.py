"""Grids of pictures in the panels of a figure, each with what it shows."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from anomaly_methods.stored import checksum
from plots.image_grid import image_grid
from plots.output import save_with_numbers
from plots.pictures import Pictures
from plots.style import new_figure, panel_letters, short_name, style
from plots.wrapping import wrapped

__all__ = ["TABLE", "channel_names", "draw_grid", "make_figure", "named_after", "save", "table", "title"]

_LONGEST = 120

TABLE = ("name", "what", "temperature", "seed", "images", "channel", "mean", "std", "lowest", "highest")


def make_figure(sets: Sequence[Pictures], n: int = 64, columns: int = 3) -> Figure:
    """Draw the first n images of each set in a panel of its own.

    Args:
        sets: one for each panel.
        n: images of each, or all of a set with fewer.
        columns: panels side by side, at most.

    Raises:
        ValueError: there is no set, or a number is not positive.
    """
    if not sets or n < 1 or columns < 1:
        raise ValueError(
            f"A figure needs at least one set, image and column, got {len(sets)}, {n} and {columns}."
        )
    across = min(columns, len(sets))
    with style():
        figure, axes = new_figure(across, math.ceil(len(sets) / across), panel_width=3.0, panel_height=3.3)
        for axis, pictures in zip(axes, sets, strict=False):
            draw_grid(axis, pictures, n)
            axis.set_title(wrapped(title(pictures, n), 2.8))
        for axis in axes[len(sets) :]:
            axis.set_visible(False)
        if len(sets) > 1:
            panel_letters(axes[: len(sets)])
    return figure


def draw_grid(axis: Axes, pictures: Pictures, n: int) -> None:
    """Draw images as they are, pixel by pixel, on an axis without ticks."""
    grid = image_grid(pictures.images[:n])
    axis.imshow(grid, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    axis.set_xticks([])
    axis.set_yticks([])
    axis.grid(visible=False)
    axis.spines[:].set_visible(False)


def title(pictures: Pictures, n: int) -> str:
    """Say what a grid shows: the model or set, temperature and seed, and how many images of how many."""
    about = pictures.about
    shown = min(n, len(pictures.images))
    many = f"{shown} of {pictures.total:,} images" if pictures.total > shown else f"n = {shown}"
    if about.get("kind") != "samples":
        return f"{short_name(str(about.get('name', 'images')))}\n{many}"
    label = "" if about.get("label") is None else f", class {about['label']}"
    broken = f", {about['nonfinite']} not finite" if about.get("nonfinite") else ""
    setting = f"temperature {about['temperature']:g}, seed {about['seed']}{label}"
    return f"Samples, model: {about['name']}\n{setting}\n{many}{broken}"


def table(sets: Sequence[Pictures]) -> Iterator[tuple[object, ...]]:
    """Yield the moments of each channel of each set, on the scale from 0 to 255."""
    for pictures in sets:
        about = pictures.about
        words = (about.get("name", ""), about.get("kind", ""), about.get("temperature", ""))
        for channel, found in zip(channel_names(pictures), pictures.moments(), strict=True):
            moments = (found.mean, found.std, found.lowest, found.highest)
            yield *words, about.get("seed", ""), pictures.total, channel, *moments


def channel_names(pictures: Pictures) -> tuple[str, ...]:
    """Return what the channels are called."""
    return ("red", "green", "blue") if len(pictures.counts) == 3 else ("grey",)


def named_after(figure: str, files: Sequence[Path]) -> str:
    """Return a file name for a figure of some files: all their names, or a checksum where they are long."""
    name = "-".join([figure, *(path.stem for path in files)])
    return name if len(name) <= _LONGEST else f"{name[:_LONGEST]}-{checksum(name)}"


def save(sets: Sequence[Pictures], path: Path, n: int = 64, columns: int = 3) -> tuple[Path, Path, Path]:
    """Save the figure as PDF and PNG and moments of the images as CSV; `path` has no suffix."""
    return save_with_numbers(make_figure(sets, n, columns), path, TABLE, table(sets))
