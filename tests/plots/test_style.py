"""The look of figures: colours, and no trace left in matplotlib's settings."""

from __future__ import annotations

from itertools import combinations

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.colors import to_rgb

from plots.style import (
    COLOURS,
    colours_of,
    new_figure,
    panel_letters,
    short_name,
    style,
)

KNOWN = (
    *("cifar10", "svhn", "celeba", "imagenet32", "gtsrb", "cifar100"),
    *("fashion-mnist", "mnist", "kmnist", "omniglot", "general", "noise"),
)


def test_a_set_has_its_colour_in_every_figure() -> None:
    colours = colours_of(["cifar10"], ["svhn", "celeba", "svhn"])
    assert list(colours) == ["cifar10", "svhn", "celeba"]
    assert colours["cifar10"] == COLOURS["blue"]
    for name in ("array:/x/cifar10 test", "cifar10.npy", "CIFAR-10", "folder:pics/cifar10/"):
        assert colours_of(["svhn"], [name, "mine"])[name] == COLOURS["blue"]
    assert colours_of(["demo-fashion-mnist"]) == {"demo-fashion-mnist": COLOURS["indigo"]}
    assert colours_of(["general32", "noise:uniform"]) == {
        "general32": COLOURS["black"],
        "noise:uniform": COLOURS["navy"],
    }


def test_unknown_sets_keep_a_colour_that_is_free_in_the_figure() -> None:
    (alone,) = colours_of(["holidays"]).values()
    others = [name for name in KNOWN if colours_of([name])[name] != alone]
    assert colours_of(others[:3], ["holidays", "more"])["holidays"] == alone
    rival = next(name for name in KNOWN if colours_of([name])[name] == alone)
    both = colours_of(["holidays"], [rival])
    assert both[rival] == alone != both["holidays"]
    assert colours_of(["cifar10 train", "cifar10 test"])["cifar10 train"] == COLOURS["blue"]


@pytest.mark.parametrize("extra", [0, 1, 4])
def test_all_sets_of_a_figure_differ(extra: int) -> None:
    names = [*KNOWN, *(f"set {number}" for number in range(extra))][-len(COLOURS) :]
    assert len(set(colours_of(names[:1], names[1:]).values())) == len(names)


def test_more_sets_than_colours_are_refused() -> None:
    with pytest.raises(ValueError, match=r"tell 12 sets apart, got 13"):
        colours_of(["a"], [f"set {i}" for i in range(12)])


def test_colours_stay_apart_without_red_or_green() -> None:
    """Protanopia and deuteranopia, simulated as in Viénot, Brettel and Mollon (1999), sRGB made linear."""
    for confused in _dichromat_views([to_rgb(colour) for colour in COLOURS.values()]):
        distances = [np.linalg.norm(a - b) for a, b in combinations(_cielab(confused), 2)]
        assert min(distances) > 17


def test_style_leaves_no_trace() -> None:
    before = dict(mpl.rcParams)
    with style():
        assert mpl.rcParams["font.size"] == 8
        assert not mpl.rcParams["text.parse_math"]
        new_figure(columns=2)
    assert dict(mpl.rcParams) == before


def test_figure_is_as_wide_as_its_columns_of_text() -> None:
    figure, axes = new_figure(columns=2, rows=3)
    assert len(axes) == 6
    assert figure.get_size_inches().tolist() == pytest.approx([6.6, 7.2])


def test_letters_name_the_panels() -> None:
    _, axes = new_figure(columns=2)
    panel_letters(axes)
    assert [axis.get_title(loc="left") for axis in axes] == ["a", "b"]


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("cifar10", "cifar10"),
        ("cifar10 test", "cifar10 test"),
        ("array:/x/svhn.npy test", "svhn test"),
        ("array:svhn.npy", "svhn"),
        ("folder:pics/", "pics"),
        ("general:photos", "general:photos"),
        ("runs/demo/general/", "general"),
        ("folder:/my own pictures/of a garden/ test", "of a garden test"),
        ("array:/x/svhn.npy.gz", "svhn.npy.gz"),
        ("/", "/"),
    ],
)
def test_short_names_have_no_folders(name: str, short: str) -> None:
    assert short_name(name) == short


def _dichromat_views(colours: list[tuple[float, float, float]]) -> list[np.ndarray]:
    """Return the colours, linear RGB (N, 3), as a protanope and a deuteranope see them."""
    linear = np.array(colours) ** 2.2
    protan = np.array([[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.00401, -0.00401, 1]])
    deutan = np.array([[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]])
    return [linear @ view.T for view in (protan, deutan)]


def _cielab(linear: np.ndarray) -> np.ndarray:
    """Return CIE 1976 L*a*b* (N, 3) of linear sRGB (N, 3) under its own white."""
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    x, y, z = np.cbrt(np.clip(linear @ to_xyz.T / to_xyz.sum(axis=1), 0, None)).T
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=1)
