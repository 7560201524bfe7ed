"""The look of figures: colours, files, and no trace left in matplotlib's settings."""

from __future__ import annotations

import csv
from itertools import combinations
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from PIL import Image

from plots.style import (
    COLOURS,
    colours_of,
    new_figure,
    panel_letters,
    save_figure,
    save_table,
    short_name,
    style,
)


def test_in_distribution_is_blue_in_every_figure_and_the_others_differ() -> None:
    colours = colours_of(["cifar10"], ["svhn", "lsun", "svhn"])
    assert colours["cifar10"] == colours_of(["svhn"], ["cifar10"])["svhn"] == COLOURS["blue"]
    assert list(colours) == ["cifar10", "svhn", "lsun"]
    assert len(set(colours.values())) == 3


def test_more_sets_than_colours_are_refused() -> None:
    with pytest.raises(ValueError, match=r"tell 6 out-of-distribution sets apart, got 7"):
        colours_of(["a"], [f"set {i}" for i in range(7)])


def test_colours_stay_apart_without_red_or_green() -> None:
    """Protanopia and deuteranopia, simulated as in Viénot, Brettel and Mollon (1999), sRGB made linear."""
    for confused in _dichromat_views([to_rgb(colour) for colour in COLOURS.values()]):
        distances = [np.abs(a - b).max() for a, b in combinations(confused, 2)]
        assert min(distances) > 0.04


def test_style_leaves_no_trace() -> None:
    before = dict(mpl.rcParams)
    with style():
        assert mpl.rcParams["font.size"] == 8
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
        ("/", "/"),
    ],
)
def test_short_names_have_no_folders(name: str, short: str) -> None:
    assert short_name(name) == short


def test_saved_files_are_a_pdf_and_a_png_and_repeat_to_the_byte(tmp_path: Path) -> None:
    for name in ("lr-0.1", "again"):
        figure, axes = new_figure()
        axes[0].plot([0, 1], [0, 1])
        save_figure(figure, tmp_path / name)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "again.pdf",
        "again.png",
        "lr-0.1.pdf",
        "lr-0.1.png",
    ]
    assert (tmp_path / "lr-0.1.pdf").read_bytes().startswith(b"%PDF")
    for suffix in ("pdf", "png"):
        assert (tmp_path / f"lr-0.1.{suffix}").read_bytes() == (tmp_path / f"again.{suffix}").read_bytes()
    with Image.open(tmp_path / "again.png") as picture:
        assert picture.size == (660, 480)


def test_table_keeps_the_numbers(tmp_path: Path) -> None:
    path = save_table(tmp_path / "numbers", ["set", "images"], [["a, b", 1], ["c", 0.1]])
    with path.open(newline="") as file:
        assert list(csv.reader(file)) == [["set", "images"], ["a, b", "1"], ["c", "0.1"]]


def test_a_ragged_table_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="needs 2 values"):
        save_table(tmp_path / "numbers", ["set", "images"], [["a", 1], ["b"]])
    assert list(tmp_path.iterdir()) == []


def _dichromat_views(colours: list[tuple[float, float, float]]) -> list[np.ndarray]:
    """Return the colours, linear RGB (N, 3), as a protanope and a deuteranope see them."""
    linear = np.array(colours) ** 2.2
    protan = np.array([[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.00401, -0.00401, 1]])
    deutan = np.array([[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]])
    return [linear @ view.T for view in (protan, deutan)]
