"""Pictures of a page: whole in themselves, described in words, and safe to take from a stranger."""

from __future__ import annotations

import io
from base64 import b64decode
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from plots.likelihood_histograms import Panel
from plots.report import pictures
from plots.report.pictures import data_uri, histogram, saved_picture
from plots.style import COLOURS


def panel(inside: str = "mine test", outside: str = "other test", title: str = "A score") -> Panel:
    scores = np.linspace(0, 1, 101)
    return Panel(title, "nats", (inside, scores), {outside: scores + 0.5})


def test_a_histogram_is_described_in_words() -> None:
    words = histogram(panel()).alternative
    assert "A score" in words
    assert "mine test (in-distribution): median 0.5 of 101" in words
    assert "other test (out-of-distribution): median 1 of 101, AUROC 0.87" in words


def test_a_figure_needs_no_other_file_and_is_the_same_each_time() -> None:
    picture = histogram(panel())
    assert picture.media_type == "image/svg+xml"
    assert histogram(panel()).data == picture.data
    addresses = [
        value
        for node in ElementTree.fromstring(picture.data).iter()
        for name, value in node.attrib.items()
        if name.endswith("href")
    ]
    assert all(address.startswith("#") for address in addresses)
    assert len(picture.data) < 100_000


@pytest.mark.parametrize("name", ["$\\frac{x$", "<script>alert(1)</script>", "画像", "a\nb", "_hidden"])
def test_names_from_files_are_neither_formulas_nor_markup(name: str) -> None:
    text = histogram(panel(inside=name, outside=f"not {name}", title=name)).data.decode()
    assert "<script" not in text


def test_more_sets_than_colours_are_refused() -> None:
    scores = np.linspace(0, 1, 5)
    many = {f"set {number}": scores for number in range(10 * len(COLOURS))}
    with pytest.raises(ValueError, match="several figures"):
        histogram(Panel("A score", "nats", ("mine", scores), many))


def test_a_saved_picture_is_taken_without_what_else_is_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "samples.png"
    pixels = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    path.write_bytes(path.read_bytes() + b"<script>alert(1)</script>")
    picture = saved_picture(path)
    assert b"script" not in picture.data
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(picture.data))), pixels)
    kind, _, content = data_uri(picture).partition(",")
    assert kind == "data:image/png;base64"
    assert b64decode(content) == picture.data
    assert "samples.png, 8 x 6 pixels" in picture.alternative


def test_what_is_no_picture_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "samples.png"
    path.write_text("<svg onload=alert(1)>")
    with pytest.raises(ValueError, match=r"samples\.png is not a picture"):
        saved_picture(path)
    Image.new("L", (20, 20)).save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[:50])
    with pytest.raises(ValueError, match=r"samples\.png is not a picture"):
        saved_picture(path)
    path.write_bytes(whole)
    monkeypatch.setattr(pictures, "_MOST_PIXELS", 300)
    with pytest.raises(ValueError, match="20 x 20 pixels, too many"):
        saved_picture(path)
    monkeypatch.setattr(pictures, "_MOST_PIXELS", 400)
    monkeypatch.setattr(pictures, "_MOST_BYTES", 10)
    with pytest.raises(ValueError, match="too many"):
        saved_picture(path)
