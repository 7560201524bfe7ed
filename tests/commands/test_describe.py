"""`main.py describe`: some images of each set and the values of all its pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from plots.pictures import load_pictures, pixel_counts
from tests.commands.calls import Call, save_images


def test_it_counts_all_pixels_and_keeps_some_images(tmp_path: Path, call: Call) -> None:
    spec = save_images(tmp_path / "cats.npy", 2000)
    outcome = call("describe", "--data", spec, "--n", "5", "--output", tmp_path / "out")
    assert outcome.code == 0, outcome.err
    (path,) = (tmp_path / "out").iterdir()
    images, found = np.load(tmp_path / "cats.npy"), load_pictures(path)
    np.testing.assert_array_equal(found.counts, pixel_counts(images))
    np.testing.assert_array_equal(found.images, images[found.about["index"]])
    assert len(set(found.about["index"])) == 5
    assert (found.about["name"], found.about["images"], found.total) == (spec, 2000, 2000)
    assert f"{spec}: 2000 images, {path}" in outcome.out
    assert f"mean {images[..., 1].mean():.2f}, std {images[..., 1].std():.2f}" in outcome.out


def test_images_are_as_a_model_is_shown_them(tmp_path: Path, call: Call) -> None:
    spec = save_images(tmp_path / "cats.npy", 9)
    out = tmp_path / "out"
    assert call("describe", "--data", spec, "--grey", "--limit", "4", "--output", out).code == 0
    (path,) = out.iterdir()
    found = load_pictures(path)
    assert found.images.shape == (4, 8, 8, 1)
    assert found.total == 4


def test_a_file_is_no_folder_to_write_into(tmp_path: Path, call: Call) -> None:
    spec = save_images(tmp_path / "cats.npy", 2)
    assert (
        "--output must name a folder"
        in call("describe", "--data", spec, "--output", tmp_path / "cats.npy").refusal()
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--n", "0"), "--n must be at least 1"),
        (("--seed", "-1"), "--seed 0, got 64 and -1"),
        (("--data", "nonsense"), "There is no image set called 'nonsense'"),
    ],
)
def test_what_makes_no_sense_is_refused(
    tmp_path: Path, call: Call, words: tuple[str, ...], said: str
) -> None:
    spec = save_images(tmp_path / "cats.npy", 2)
    assert said in call("describe", "--data", spec, "--output", tmp_path / "out", *words).refusal()
    assert not (tmp_path / "out").exists()
