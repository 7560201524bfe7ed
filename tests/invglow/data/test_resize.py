"""Pictures of any shape become squares of their middle, resized by the filter that is said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from invglow.data.resize import at_size, fit_picture
from tests.invglow.data.examples import images


@pytest.mark.parametrize(("shape", "box"), [((48, 80), (16, 0, 64, 48)), ((90, 50), (0, 20, 50, 70))])
def test_the_middle_of_a_picture_is_resized_by_the_bicubic_filter(
    shape: tuple[int, int], box: tuple[int, int, int, int]
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    picture = Image.fromarray(pixels)
    expected = picture.resize((32, 32), Image.Resampling.BICUBIC, box=box)
    np.testing.assert_array_equal(np.asarray(fit_picture(picture, 32)), np.asarray(expected))


@pytest.mark.parametrize("channels", [1, 3])
def test_a_set_is_resized_like_its_pictures_one_by_one(channels: int, tmp_path: Path) -> None:
    found = at_size(images(5, size=20, channels=channels), 32, tmp_path, "key")
    for image, old in zip(found, images(5, size=20, channels=channels), strict=True):
        picture = Image.fromarray(old[..., 0] if channels == 1 else old)
        np.testing.assert_array_equal(image.squeeze(), np.asarray(fit_picture(picture, 32)))
