"""A contact sheet holds every image, enlarged by whole pixels, with its frame and its caption."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageColor

from plots.contact_sheet import MARKED, PLAIN, contact_sheet, save_contact_sheet

FRAME, CAPTION, GAP = 3, 16, 4


def examples(count: int, channels: int = 3, side: int = 32) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (count, side, side, channels), dtype=np.uint8)


@pytest.mark.parametrize("channels", [1, 3])
def test_every_image_is_where_it_belongs_in_the_frame_it_has(channels: int) -> None:
    images = examples(5, channels)
    sheet = contact_sheet(images, list("abcde"), [True, False, True, False, True], columns=2)
    side = 3 * 32 + 2 * FRAME
    assert sheet.shape == (3 * (side + CAPTION + GAP) + GAP, 2 * (side + GAP) + GAP, 3)
    for number, image in enumerate(images):
        top = GAP + (number // 2) * (side + CAPTION + GAP)
        left = GAP + (number % 2) * (side + GAP)
        inner = sheet[top + FRAME : top + side - FRAME, left + FRAME : left + side - FRAME]
        expected = image.repeat(3, axis=0).repeat(3, axis=1)
        np.testing.assert_array_equal(inner, np.broadcast_to(expected, inner.shape))
        colour = ImageColor.getrgb(PLAIN if number % 2 else MARKED)
        for place in ((top, left), (top + side - 1, left + side - 1)):
            assert tuple(int(value) for value in sheet[place]) == colour


def test_captions_stand_below_their_images() -> None:
    with_caption, without = (
        contact_sheet(examples(2), captions, [False, False], columns=1)
        for captions in (["1  0.01", ""], [""] * 2)
    )
    differ = np.flatnonzero((with_caption != without).any(axis=(1, 2)))
    bottom = GAP + 3 * 32 + 2 * FRAME
    assert bottom <= differ.min()
    assert differ.max() < bottom + CAPTION


def test_large_images_keep_their_size() -> None:
    assert contact_sheet(examples(1, side=200), ["a"], [False]).shape[1] == 200 + 2 * FRAME + 2 * GAP


@pytest.mark.parametrize(
    ("images", "captions", "marks", "said"),
    [
        (examples(2), ["a"], [True, False], "2 images, 1 captions and 2 marks"),
        (examples(2), ["a", "b"], [True], "2 images, 2 captions and 1 marks"),
        (examples(0), [], [], "at least one image"),
        (examples(1, channels=2), ["a"], [True], "shape"),
        (np.zeros((1, 4, 4, 3)), ["a"], [True], "uint8"),
    ],
)
def test_what_does_not_fit_is_refused(
    images: NDArray[np.uint8], captions: list[str], marks: list[bool], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        contact_sheet(images, captions, marks)


def test_png_keeps_every_pixel(tmp_path: Path) -> None:
    path = save_contact_sheet(tmp_path / "sheet.png", examples(3), ["a", "b", "c"], [True, False, False])
    with Image.open(path) as picture:
        expected = contact_sheet(examples(3), ["a", "b", "c"], [True, False, False])
        np.testing.assert_array_equal(np.asarray(picture), expected)
