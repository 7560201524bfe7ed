"""Code lengths of image sets: in nats, of the exact pixels, in files that say that no model is behind."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from anomaly_methods.extractors import codecs
from anomaly_methods.extractors.complexity import load_or_measure
from anomaly_methods.statistics import Statistics
from invglow.data.image_set import ImageSet, luma
from tests.anomaly_methods.extractors.toys import make_images


def nats(images: NDArray[np.uint8], codec: str = "png") -> NDArray[np.float64]:
    encode = codecs.CODECS[codec].encode
    return np.array([8 * math.log(2) * len(encode(image)) for image in images])


class Interrupting:
    """Encodes as PNG until it has done so often enough, then is interrupted as by Ctrl-C."""

    def __init__(self, after: int | None = None) -> None:
        self.calls = 0
        self._after = after

    def __call__(self, image: NDArray[np.uint8]) -> bytes:
        if self.calls == self._after:
            raise KeyboardInterrupt
        self.calls += 1
        return b"x" * int(image.sum())


def patched(monkeypatch: pytest.MonkeyPatch, encode: Interrupting) -> Interrupting:
    monkeypatch.setattr(codecs, "CODECS", {"png": replace(codecs.CODECS["png"], encode=encode)})
    return encode


@pytest.mark.parametrize("codec", ["png", "webp", "jpeg2000"])
def test_they_are_the_lengths_of_the_files_in_nats(tmp_path: Path, codec: str) -> None:
    images = make_images(9)
    found = load_or_measure(images, codec, tmp_path / "s.npz")
    assert list(found.values) == ["code_length"]
    np.testing.assert_allclose(found.value("code_length"), nats(images.images, codec), rtol=1e-12)
    np.testing.assert_array_equal(found.index, np.arange(9))


def test_colour_and_grey_are_measured_as_a_model_would_see_them(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3), dtype=np.uint8)
    colour = ImageSet("dogs", "test", pixels)
    found = load_or_measure(colour, "png", tmp_path / "colour.npz")
    np.testing.assert_allclose(found.value("code_length"), nats(pixels))
    grey = load_or_measure(replace(colour, grey=True), "png", tmp_path / "grey.npz")
    np.testing.assert_allclose(grey.value("code_length"), nats(luma(pixels)))
    assert (found.meta.image_shape, grey.meta.image_shape) == ((3, 8, 8), (1, 8, 8))


def test_groups_are_sums_and_the_tail_is_dropped(tmp_path: Path) -> None:
    images = make_images(23)
    found = load_or_measure(images, "png", tmp_path / "s.npz", group_size=5)
    np.testing.assert_allclose(found.value("code_length"), nats(images.images)[:20].reshape(4, 5).sum(axis=1))
    assert (list(found.index), found.meta.dropped) == ([0, 5, 10, 15], 3)
    with pytest.raises(ValueError, match="cats has 3 images, too few for one group of 5"):
        load_or_measure(make_images(3), "png", tmp_path / "t.npz", group_size=5)
    with pytest.raises(ValueError, match="at least 1, got 0"):
        load_or_measure(images, "png", tmp_path / "t.npz", group_size=0)


def test_the_meta_says_that_there_is_no_model(tmp_path: Path) -> None:
    images = make_images(3)
    load_or_measure(images, "png", tmp_path / "png.npz")
    meta = Statistics.load(tmp_path / "png.npz").meta
    assert (meta.kind, meta.model, meta.checkpoint_sha256, meta.bound) == (
        "complexity",
        "png",
        "none",
        "none",
    )
    assert (meta.preprocessing, meta.unit, meta.noise_draws) == ("uint8 pixels", "nats", 0)
    assert (meta.dataset, meta.dataset_sha256) == ("cats", images.sha256())
    assert meta.settings["codec"] == "png"
    assert load_or_measure(images, "webp", tmp_path / "webp.npz").meta.kind == "complexity_webp"


def test_what_is_there_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encode, path = patched(monkeypatch, Interrupting()), tmp_path / "s.npz"
    first = load_or_measure(make_images(5), "png", path)
    again = load_or_measure(make_images(5), "png", path)
    assert encode.calls == 5
    np.testing.assert_array_equal(again.value("code_length"), first.value("code_length"))
    load_or_measure(make_images(5), "png", path, recompute=True)
    assert encode.calls == 10


def test_lengths_by_another_version_of_the_codec_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "s.npz"
    load_or_measure(make_images(5), "png", path)
    with pytest.raises(ValueError, match="dataset_sha256"):
        load_or_measure(make_images(5, seed=1), "png", path)
    monkeypatch.setattr("cv2.__version__", "0.1")
    with pytest.raises(ValueError, match=r"holds other statistics than asked for: settings is .*opencv 0\.1"):
        load_or_measure(make_images(5), "png", path)


def test_an_interrupted_measurement_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images, path = make_images(300), tmp_path / "s.npz"
    patched(monkeypatch, Interrupting(after=140))
    with pytest.raises(KeyboardInterrupt):
        load_or_measure(images, "png", path, part_seconds=0)
    assert not path.exists()
    encode = patched(monkeypatch, Interrupting())
    found = load_or_measure(images, "png", path, part_seconds=0)
    assert encode.calls == 300 - 128
    sums = images.images.reshape(300, -1).sum(axis=1)
    np.testing.assert_allclose(found.value("code_length"), 8 * math.log(2) * sums)
