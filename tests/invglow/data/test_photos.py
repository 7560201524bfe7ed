"""`general:photos`: photographs, crops, shapes, and a set that covers dark backgrounds and sharp outlines."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from invglow.data import photos
from invglow.data.crops import CropSettings, random_box, random_crop
from invglow.data.photos import PhotoSettings, find_photographs, load_photos, photo_image
from invglow.data.pictures import read_picture
from invglow.data.registry import load_image_set
from invglow.data.request import SetRequest
from invglow.data.shapes import ShapeSettings, random_mask

FEW = PhotoSettings(train=40, test=20)


def request(folder: Path, split: str = "train", *, size: int = 32, grey: bool = True) -> SetRequest:
    return SetRequest("general:photos", split, size, grey, folder, download=False)


def test_photographs_come_with_the_libraries() -> None:
    names = {path.name for path in find_photographs()}
    assert {"astronaut.png", "chelsea.png", "china.jpg", "flower.jpg"} <= names
    assert not names & {"logo.png", "phantom.png", "chessboard_GRAY.png"}


def test_without_photographs_one_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(photos, "find_spec", lambda _: None)
    with pytest.raises(FileNotFoundError, match="pip install scikit-image scikit-learn"):
        find_photographs()


def test_the_set_is_the_same_wherever_it_is_made(tmp_path: Path) -> None:
    first = load_photos(request(tmp_path / "a"), FEW)
    second = load_photos(request(tmp_path / "b"), FEW)
    np.testing.assert_array_equal(first.images, second.images)
    assert first.images.shape == (40, 32, 32, 1)
    larger = load_photos(request(tmp_path / "a"), replace(FEW, train=60))
    np.testing.assert_array_equal(larger.images[:40], first.images)


def test_splits_and_seeds_differ(tmp_path: Path) -> None:
    train, test = (load_photos(request(tmp_path, split), FEW) for split in ("train", "test"))
    other = load_photos(request(tmp_path), replace(FEW, seed=1))
    assert not (train.images[:20] == test.images).all(axis=(1, 2, 3)).any()
    assert not (train.images == other.images).all(axis=(1, 2, 3)).any()


def test_the_set_is_made_once(tmp_path: Path) -> None:
    load_photos(request(tmp_path), FEW)
    (copy,) = (tmp_path / "cache").iterdir()
    before = copy.stat().st_mtime_ns
    load_photos(request(tmp_path), FEW)
    assert copy.stat().st_mtime_ns == before


def test_colour_and_other_sizes(tmp_path: Path) -> None:
    found = load_photos(request(tmp_path, size=48, grey=False), FEW)
    assert found.images.shape == (40, 48, 48, 3)
    assert (found.images[..., 0] != found.images[..., 2]).any()


def test_the_default_set_covers_dark_backgrounds_and_light_crops(tmp_path: Path) -> None:
    found = load_image_set("general:photos", "test", folder=tmp_path, grey=True)
    black = (found.images == 0).mean(axis=(1, 2, 3))
    assert len(found) == 2_000
    assert 0.4 < (black > 0.2).mean() < 0.6
    assert (black < 0.05).mean() > 0.4
    corner = found.images[black > 0.2][:, 0, 0, 0]
    assert (corner == 0).mean() > 0.8


def test_twenty_thousand_images_take_seconds() -> None:
    photographs = [read_picture(path, 1) for path in find_photographs()]
    start = time.process_time()
    for index in range(300):
        photo_image(photographs, PhotoSettings(), np.random.default_rng((0, 0, index)))
    assert (time.process_time() - start) / 300 * 20_000 < 20


def test_boxes_lie_inside_at_all_scales() -> None:
    rng = np.random.default_rng(0)
    boxes = np.array([random_box(640, 400, CropSettings(), rng) for _ in range(2_000)])
    sides = boxes[:, 2] - boxes[:, 0]
    np.testing.assert_array_equal(sides, boxes[:, 3] - boxes[:, 1])
    assert boxes.min() >= 0
    assert boxes[:, 2].max() <= 640
    assert boxes[:, 3].max() <= 400
    assert sides.min() >= 32
    assert abs(np.median(np.log(sides)) - np.log([32, 400]).mean()) < 0.1


def test_a_share_of_the_boxes_is_as_large_as_can_be() -> None:
    rng = np.random.default_rng(0)
    boxes = [random_box(64, 64, CropSettings(whole=0.5), rng) for _ in range(400)]
    assert 0.4 < np.mean([box == (0, 0, 64, 64) for box in boxes]) < 0.65


def test_pictures_smaller_than_the_result_are_enlarged() -> None:
    crop, box = random_crop(Image.new("RGB", (20, 10), (7, 8, 9)), CropSettings(), np.random.default_rng(0))
    assert (crop == [7, 8, 9]).all()
    assert crop.shape == (32, 32, 3)
    assert box[3] - box[1] == 10


def test_crops_are_resized_in_several_ways() -> None:
    noise = Image.fromarray(np.random.default_rng(1).integers(0, 256, (64, 64), dtype=np.uint8))
    settings = CropSettings(whole=1, blurred=0)
    found = {random_crop(noise, settings, np.random.default_rng(seed))[0].tobytes() for seed in range(40)}
    assert len(found) == len(settings.filters)


def test_masks_are_thin_and_thick_hard_and_soft() -> None:
    masks = np.stack([random_mask(ShapeSettings(), np.random.default_rng(seed)) for seed in range(500)])
    covered = (masks > 127).mean(axis=(1, 2))
    soft = ((masks > 0) & (masks < 255)).any(axis=(1, 2)).mean()
    assert masks.shape == (500, 32, 32)
    assert (covered < 0.06).any()
    assert (covered > 0.4).any()
    assert 0.3 < soft < 0.7
    hard = [random_mask(ShapeSettings(soft=0), np.random.default_rng(seed)) for seed in range(50)]
    assert set(np.unique(hard)) == {0, 255}


@pytest.mark.parametrize("shapes", [(1, 1), (4, 6)])
def test_collages_of_one_grey_hold_what_is_between_it_and_black(shapes: tuple[int, int]) -> None:
    photographs = [Image.new("L", (64, 48), 100)]
    settings = PhotoSettings(collages=1.0, brightened=0.0, shapes=shapes)
    made = np.stack([photo_image(photographs, settings, np.random.default_rng(seed)) for seed in range(60)])
    assert made.max() == 100
    levels = np.bincount(made.ravel(), minlength=101)
    assert levels[0] > 0
    assert levels[0] + levels[100] > 0.8 * made.size  # in between are soft outlines alone
    assert levels[1:100].sum() > 0


def test_brightened_peaks_are_anything_up_to_white() -> None:
    photographs = [Image.new("L", (64, 48), 250)]
    settings = PhotoSettings(collages=0.0, brightened=1.0)
    made = [photo_image(photographs, settings, np.random.default_rng(seed)) for seed in range(100)]
    assert {int(image.max()) for image in made} == set(range(250, 256))


def test_brightening_keeps_black_black_and_reaches_white() -> None:
    photographs = [read_picture(path, 1) for path in find_photographs()]
    plain, bright = (
        np.stack([photo_image(photographs, settings, np.random.default_rng(seed)) for seed in range(100)])
        for settings in (PhotoSettings(brightened=0), PhotoSettings(brightened=1))
    )
    np.testing.assert_array_equal(plain == 0, bright == 0)
    assert (bright >= plain).all()
    peaks = plain.max(axis=(1, 2, 3)), bright.max(axis=(1, 2, 3))
    assert (peaks[1] > 230).mean() > 1.5 * (peaks[0] > 230).mean()
