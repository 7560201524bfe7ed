"""`main.py sample`: a picture of images drawn from a run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from invglow.checkpoints import weights_sha256
from plots.image_grid import image_grid
from plots.pictures import load_pictures
from tests.commands.calls import Call, Hierarchy


def picture(path: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    with Image.open(path) as image:
        image.load()
        assert image.format == "PNG"
        return np.asarray(image)


def test_it_draws_a_grid_and_says_where(hierarchy: Hierarchy, tmp_path: Path, call: Call) -> None:
    path = tmp_path / "pictures" / "samples.png"
    outcome = call("sample", "--run", hierarchy.specific, "--n", "6", "--output", path)
    assert outcome.code == 0
    assert outcome.out == f"6 samples: {path}\n"
    height, width, channels = picture(path).shape
    assert (height, width, channels) == (2 * (16 + 2) + 2, 3 * (16 + 2) + 2, 3)  # 8 pixels at twice the size


def test_the_seed_names_the_images(hierarchy: Hierarchy, tmp_path: Path, call: Call) -> None:
    drawn: list[np.ndarray[tuple[int, ...], np.dtype[np.uint8]]] = []
    for seed in ("0", "0", "1"):
        path = tmp_path / f"{len(drawn)}.png"
        assert (
            call("sample", "--run", hierarchy.general, "--n", "4", "--seed", seed, "--output", path).code == 0
        )
        drawn.append(picture(path))
    assert np.array_equal(drawn[0], drawn[1])
    assert not np.array_equal(drawn[0], drawn[2])


def test_at_temperature_zero_all_images_are_one(hierarchy: Hierarchy, tmp_path: Path, call: Call) -> None:
    path = tmp_path / "cold.png"
    command = ("sample", "--run", hierarchy.general, "--n", "2", "--temperature", "0", "--output", path)
    assert call(*command).code == 0
    pixels = picture(path)
    assert np.array_equal(pixels[2:18, 2:18], pixels[2:18, 20:36])


@pytest.mark.parametrize(
    "option",
    [
        ("--n", "0"),
        ("--temperature", "-1"),
        ("--temperature", "nan"),
        ("--temperature", "inf"),
        ("--seed", "-1"),
        ("--seed", str(2**63)),
        ("--device", "nonsense"),
    ],
)
def test_an_option_out_of_range_is_refused(
    hierarchy: Hierarchy, tmp_path: Path, call: Call, option: tuple[str, str]
) -> None:
    outcome = call("sample", "--run", hierarchy.general, "--output", tmp_path / "x.png", *option)
    assert option[1] in outcome.refusal()
    assert not (tmp_path / "x.png").exists()


@pytest.mark.parametrize("name", ["x.jpg", "x", "png", "x.png.pdf"])
def test_a_name_that_promises_another_format_is_refused(
    hierarchy: Hierarchy, tmp_path: Path, call: Call, name: str
) -> None:
    sentence = call("sample", "--run", hierarchy.general, "--output", tmp_path / name).refusal()
    assert sentence.endswith(f"name a file that ends in .png, not {tmp_path / name}.")
    assert not any(tmp_path.iterdir())


def test_a_picture_that_cannot_be_written_is_refused(
    hierarchy: Hierarchy, tmp_path: Path, call: Call
) -> None:
    (tmp_path / "file").write_text("in the way")
    outcome = call("sample", "--run", hierarchy.general, "--n", "1", "--output", tmp_path / "file" / "x.png")
    assert str(tmp_path / "file") in outcome.refusal()


def test_the_array_holds_the_pixels_of_the_picture_and_says_what_they_are(
    hierarchy: Hierarchy, tmp_path: Path, call: Call
) -> None:
    png, npz = tmp_path / "s.png", tmp_path / "s.npz"
    options = ("--n", "4", "--temperature", "0.5", "--seed", "3")
    outcome = call("sample", "--run", hierarchy.specific, *options, "--output", png, "--array", npz)
    assert outcome.out == f"4 samples: {png} and {npz}\n"
    found = load_pictures(npz)
    np.testing.assert_array_equal(image_grid(found.images, zoom=2), picture(png))
    about = found.about
    assert (about["n"], about["temperature"], about["seed"], about["label"]) == (4, 0.5, 3, None)
    assert (about["kind"], about["name"], about["nonfinite"]) == ("samples", "specific", 0)
    assert about["checkpoint_sha256"] == weights_sha256(hierarchy.specific)
    assert 0 <= about["clipped"] <= 1


def test_the_array_alone_is_enough_and_is_an_image_set(copied: Hierarchy, tmp_path: Path, call: Call) -> None:
    npz = tmp_path / "s.npz"
    assert call("sample", "--run", copied.general, "--n", "4", "--array", npz).code == 0
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["s.npz"]
    outcome = call("statistics", "--run", copied.general, "--data", f"array:{npz}")
    assert outcome.code == 0
    assert "4 images" in outcome.out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "Name a file for the samples: --output FILE.png, --array FILE.npz, or both."),
        (("--array", "s.npy"), "Arrays of images are written as .npz: name such a file, not s.npy."),
        (("--array", "s.npz", "--output", "s.jpg"), "name a file that ends in .png, not s.jpg."),
    ],
)
def test_files_are_looked_at_before_anything_is_drawn(
    hierarchy: Hierarchy, call: Call, options: tuple[str, ...], said: str
) -> None:
    assert call("sample", "--run", hierarchy.general, *options).refusal().endswith(said)
