"""The look of every figure: sizes, colours that colour-blind readers tell apart, and saving."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

__all__ = [
    "COLOURS",
    "colours_of",
    "new_figure",
    "panel_letters",
    "require_short_names",
    "short_name",
    "style",
]

# Okabe and Ito, "Color Universal Design" (2008), without the yellow that vanishes on white, and five dark or
# muted ones: any two are at least 17 apart in CIELAB, also as protanopes and deuteranopes see them.
COLOURS: Mapping[str, str] = MappingProxyType(
    {
        "blue": "#0072B2",
        "vermilion": "#D55E00",
        "green": "#009E73",
        "purple": "#CC79A7",
        "sky": "#56B4E9",
        "orange": "#E69F00",
        "black": "#000000",
        "indigo": "#332288",
        "sand": "#DDCC77",
        "brown": "#6B3E12",
        "pine": "#005F60",
        "navy": "#003366",
    }
)
# The colour of each known data set, the same in every figure.
_SETS: Mapping[str, str] = MappingProxyType(
    {
        "cifar10": "blue",
        "svhn": "vermilion",
        "celeba": "purple",
        "imagenet32": "green",
        "gtsrb": "orange",
        "cifar100": "sand",
        "fashionmnist": "indigo",
        "mnist": "sky",
        "kmnist": "brown",
        "omniglot": "pine",
        "general": "black",
        "tiny": "black",
        "noise": "navy",
    }
)


@contextmanager
def style() -> Iterator[None]:
    """Draw in the project's style inside this context; matplotlib's own settings come back after it."""
    with mpl.rc_context(
        {
            "font.size": 8,
            "axes.titlesize": 8,
            "axes.labelsize": 8,
            "axes.linewidth": 0.6,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.axisbelow": True,
            "axes.grid": True,
            "grid.color": "#DDDDDD",
            "grid.linewidth": 0.5,
            "xtick.labelsize": 7,
            "ytick.labelsize": 7,
            "legend.fontsize": 7,
            "legend.frameon": False,
            "lines.linewidth": 1.2,
            "figure.dpi": 200,
            "savefig.dpi": 200,
            "text.parse_math": False,  # names of sets and runs are no formulas
            "pdf.fonttype": 42,  # real letters: text in the PDF can be searched and edited
        }
    ):
        yield


def new_figure(
    columns: int = 1, rows: int = 1, *, panel_width: float = 3.3, panel_height: float = 2.4
) -> tuple[Figure, list[Axes]]:
    """Return a figure, sized in inches per panel (3.3 is a column of text), and its axes row by row.

    The figure belongs to no window and no global list, so drawing needs neither a display nor closing.
    """
    figure = Figure(figsize=(columns * panel_width, rows * panel_height), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    return figure, list(grid.flat)


def colours_of(in_distribution: Sequence[str], out_of_distribution: Sequence[str] = ()) -> dict[str, str]:
    """Return one colour for each data set, its own in every figure, and each in this figure different.

    A set has the colour of its name ("array:/x/cifar10 test" that of cifar10); names that are not known, and
    second sets of one colour, take one that depends on the name and is free in this figure.

    Raises:
        ValueError: if there are more sets than colours that can be told apart.
    """
    names = list(dict.fromkeys([*in_distribution, *out_of_distribution]))
    if len(names) > len(COLOURS):
        raise ValueError(
            f"A figure can tell {len(COLOURS)} sets apart, got {len(names)}: draw several figures."
        )
    chosen: dict[str, str] = {}
    for name in names:
        own = _SETS.get(_plain(name))
        if own is not None and own not in chosen.values():
            chosen[name] = own
    for name in sorted(set(names) - set(chosen)):
        chosen[name] = _free_colour(name, set(chosen.values()))
    return {name: COLOURS[chosen[name]] for name in names}


def _plain(name: str) -> str:
    """Return the letters by which a set is known: "demo-fashion-mnist test" is "fashionmnist"."""
    letters = re.sub(r"[^a-z0-9]", "", short_name(name).split(" ")[0].lower().removeprefix("demo-"))
    kind = re.match(r"(general|noise)", letters)
    return kind[0] if kind else letters


def _free_colour(name: str, taken: set[str]) -> str:
    colours = list(COLOURS)
    first = int(hashlib.sha256(_plain(name).encode()).hexdigest(), 16) % len(colours)
    return next(colour for colour in [*colours[first:], *colours[:first]] if colour not in taken)


def panel_letters(axes: Sequence[Axes]) -> None:
    """Write a, b, c, ... at the upper left of the panels, so that a text can name them."""
    for letter, axis in zip("abcdefghijklmnopqrstuvwxyz", axes, strict=False):
        axis.set_title(letter, loc="left", fontweight="bold")


def short_name(name: str) -> str:
    """Return the name of a data set or a run without its folder: "array:/x/svhn.npy test" is "svhn test"."""
    _, _, last = re.sub(r"/(?= |$)", "", name).rpartition("/")
    stem = last.removeprefix("array:").removeprefix("folder:")
    return re.sub(r"\.np[yz](?= |$)", "", stem) or name


def require_short_names(sets: Iterable[str]) -> None:
    """Refuse to show two sets whose short names are the same.

    Raises:
        ValueError: naming both.
    """
    by_name: dict[str, str] = {}
    for name in sets:
        if (other := by_name.setdefault(short_name(name), name)) != name:
            raise ValueError(
                f"Figures call a set by the last part of its name, and {other} and {name} would both be "
                f"{short_name(name)}: rename one of them."
            )
