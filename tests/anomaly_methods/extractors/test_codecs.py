"""Codecs lose nothing, keep colours in order, and say what they are."""

from __future__ import annotations

import io
import sys

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from anomaly_methods.extractors.codecs import CODECS, get_codec
from anomaly_methods.meta import COMPLEXITY_KINDS

BY_PILLOW = ("png", "webp", "jpeg2000")


def pictures(channels: int, size: int = 32) -> list[NDArray[np.uint8]]:
    """Return noise, a constant and a ramp whose channels all differ."""
    noise = np.random.default_rng(0).integers(0, 256, (size, size, channels), dtype=np.uint8)
    constant = np.full((size, size, channels), 7, dtype=np.uint8)
    constant[..., 0] = 200
    ramp = np.arange(size)[:, None, None] * np.arange(1, channels + 1) + np.arange(size)[None, :, None]
    return [noise, constant, (ramp % 256).astype(np.uint8)]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", BY_PILLOW)
def test_nothing_is_lost_and_red_stays_red(name: str, channels: int) -> None:
    for image in pictures(channels):
        with Image.open(io.BytesIO(get_codec(name).encode(image))) as opened:
            found = np.asarray(opened.convert("RGB" if channels == 3 else "L"))
        np.testing.assert_array_equal(found.reshape(image.shape), image)


@pytest.mark.parametrize("channels", [1, 3])
def test_nothing_is_lost_by_jpeg_ls(channels: int) -> None:
    imagecodecs = pytest.importorskip("imagecodecs", reason="the extra codecs is not installed")
    for image in pictures(channels):
        found = imagecodecs.jpegls_decode(get_codec("jpeg_ls").encode(image))
        np.testing.assert_array_equal(np.asarray(found).reshape(image.shape), image)


@pytest.mark.parametrize("size", [1, 2, 8, 33])
@pytest.mark.parametrize("name", BY_PILLOW)
def test_images_of_any_size_can_be_written(name: str, size: int) -> None:
    assert all(len(get_codec(name).encode(image)) > 0 for image in pictures(3, size))


@pytest.mark.parametrize("name", BY_PILLOW)
def test_noise_is_longer_than_a_ramp_and_that_than_a_constant(name: str) -> None:
    noise, constant, ramp = (len(get_codec(name).encode(image)) for image in pictures(3))
    assert constant < ramp < noise
    assert noise > 32 * 32 * 3  # nothing can compress noise


def test_png_is_opencvs_at_level_9() -> None:
    for image in pictures(3):
        blue_first = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
        _, expected = cv2.imencode(".png", blue_first, [cv2.IMWRITE_PNG_COMPRESSION, 9])
        assert get_codec("png").encode(image) == expected.tobytes()
    assert get_codec("png").settings() == {
        "codec": "png",
        "level": 9,
        "library": f"opencv {cv2.__version__}",
    }


@pytest.mark.parametrize("name", BY_PILLOW)
def test_settings_name_the_codec_and_the_version_of_its_library(name: str) -> None:
    settings = get_codec(name).settings()
    assert settings["codec"] == name
    assert any(character.isdigit() for character in settings["library"])


def test_every_codec_has_its_kind_of_statistics() -> None:
    assert list(COMPLEXITY_KINDS.values()) == list(CODECS)


def test_codecs_that_are_not_there_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match=r"no codec 'gif'; known are png, webp, jpeg2000, jpeg_ls"):
        get_codec("gif")
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    with pytest.raises(ValueError, match=r"needs the package imagecodecs: pip install 'invglow\[codecs\]'"):
        get_codec("jpeg_ls")
    monkeypatch.setattr("PIL.features.check", lambda _: False)
    with pytest.raises(ValueError, match="built without webp"):
        get_codec("webp")
