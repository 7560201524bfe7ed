"""Files of figures: a PDF, a PNG and the numbers, which repeat to the byte."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from PIL import Image

from plots.output import save_figure, save_table
from plots.style import new_figure


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
