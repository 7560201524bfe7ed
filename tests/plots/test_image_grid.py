"""A grid holds every image, pixel by pixel, where it belongs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from plots.image_grid import image_grid, main, save_image_grid


@pytest.mark.parametrize("channels", [1, 3])
def test_every_image_is_where_it_belongs(channels: int) -> None:
    images = _images(5, channels)
    sheet = image_grid(images, columns=2, gap=3)
    assert sheet.shape[:2] == (3 * (4 + 3) + 3, 2 * (6 + 3) + 3)
    expected = images[3].squeeze()
    np.testing.assert_array_equal(sheet[3 + 7 : 3 + 7 + 4, 3 + 9 : 3 + 9 + 6], expected)
    assert (sheet[-7:, -9:] == 255).all(), "the place of the missing sixth image is white"


def test_zoom_makes_squares_of_pixels() -> None:
    images = _images(2, 3)
    sheet = image_grid(images, gap=0, zoom=3)
    np.testing.assert_array_equal(sheet[::3, ::3], np.concatenate(list(images), axis=1))
    np.testing.assert_array_equal(sheet[2::3, 1::3], np.concatenate(list(images), axis=1))


def test_default_grid_is_about_square() -> None:
    assert image_grid(_images(64, 1), gap=0).shape == (8 * 4, 8 * 6)
    assert image_grid(_images(10, 1), gap=0).shape == (3 * 4, 4 * 6)
    assert image_grid(_images(3, 1), columns=10, gap=0).shape == (4, 3 * 6)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((2, 4, 4, 3)), "uint8 images, got float64"),
        (np.zeros((4, 4), np.uint8), r"shape \(4, 4\)"),
        (np.zeros((2, 4, 4, 2), np.uint8), r"shape \(2, 4, 4, 2\)"),
        (np.zeros((0, 4, 4, 3), np.uint8), "at least one image"),
    ],
)
def test_other_arrays_are_refused(images: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        image_grid(images)


@pytest.mark.parametrize("setting", [{"gap": -1}, {"zoom": 0}, {"columns": 0}])
def test_settings_out_of_range_are_refused(setting: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(setting))}="):
        image_grid(_images(2, 1), **setting)


@pytest.mark.parametrize("channels", [1, 3])
def test_png_keeps_every_pixel(tmp_path: Path, channels: int) -> None:
    images = _images(4, channels)
    path = save_image_grid(tmp_path / "grid.png", images)
    with Image.open(path) as picture:
        np.testing.assert_array_equal(np.asarray(picture), image_grid(images))


def test_another_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"name a file that ends in \.png, not .*grid\.jpg"):
        save_image_grid(tmp_path / "grid.jpg", _images(1, 3))
    assert not any(tmp_path.iterdir())
    assert save_image_grid(tmp_path / "grid.PNG", _images(1, 3)).is_file()


def test_command_draws_the_first_images_of_a_file(tmp_path: Path) -> None:
    images = _images(9, 3)
    np.save(tmp_path / "images.npy", images)
    main([str(tmp_path / "images.npy"), str(tmp_path / "grid.png"), "--n", "4", "--zoom", "1"])
    with Image.open(tmp_path / "grid.png") as picture:
        np.testing.assert_array_equal(np.asarray(picture), image_grid(images[:4]))


def test_command_says_in_one_line_what_is_missing(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "plots.image_grid", str(tmp_path / "none.npy"), str(tmp_path / "grid.png")],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 2
    assert "none.npy" in run.stderr
    assert run.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.npz", None, r"a\.npz must be a \.npy array of images"),
        ("a.npy", b"", r"a\.npy is no array of images, or damaged"),
        ("a.npy", b"no array", r"a\.npy is no array of images, or damaged"),
    ],
)
def test_command_refuses_files_without_one_array(
    tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    if content is None:
        np.savez(tmp_path / name, images=_images(2, 3))
    else:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        main([str(tmp_path / name), str(tmp_path / "grid.png")])


def _images(count: int, channels: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (count, 4, 6, channels), dtype=np.uint8)
