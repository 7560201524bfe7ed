"""The histogram of every pixel as a model of images."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.pixel_histogram import histogram_bits_per_dim, main
from invglow.data.image_set import ImageSet


def _set(images: NDArray[np.int64], split: str = "train") -> ImageSet:
    return ImageSet("toy", split, images.astype(np.uint8))


def test_bits_are_those_of_counts_plus_one() -> None:
    train = _set(np.array([[[[7], [9]]], [[[7], [1]]], [[[7], [1]]]]))
    test = _set(np.array([[[[7], [1]]], [[[0], [9]]]]), "test")
    expected = [-np.log2([4 / 259, 3 / 259]).mean(), -np.log2([1 / 259, 2 / 259]).mean()]
    np.testing.assert_allclose(histogram_bits_per_dim(train, test), expected)


def test_uniform_pixels_take_eight_bits_and_known_ones_none() -> None:
    rng = np.random.default_rng(0)
    uniform = rng.integers(0, 256, (20_000, 1, 1, 1))
    images = np.concatenate((uniform, np.full_like(uniform, 5), np.full_like(uniform, 9)), axis=3)
    bits = histogram_bits_per_dim(_set(images[:19_000]), _set(images[19_000:], "test"))
    assert bits.mean() == pytest.approx((8 + 2 * 0.02) / 3, abs=0.02)


def test_channels_have_histograms_of_their_own() -> None:
    images = np.broadcast_to(np.array([1, 2, 3]), (1000, 2, 2, 3))
    assert histogram_bits_per_dim(_set(images), _set(images[:5], "test")).max() < 0.5


@pytest.mark.parametrize("train", [np.zeros((0, 2, 2, 1)), np.zeros((4, 2, 2, 3))])
def test_images_that_do_not_go_together_are_refused(train: NDArray[np.int64]) -> None:
    with pytest.raises(ValueError, match="name sets that go together"):
        histogram_bits_per_dim(_set(train), _set(np.zeros((3, 2, 2, 1), int), "test"))


def test_the_command_prints_the_figure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for split in ("train", "test"):
        np.save(tmp_path / f"{split}.npy", np.zeros((30, 4, 4, 1), np.uint8))
    assert main(["--data", f"array:{tmp_path}", "--limit", "20"]) == 0
    assert f"{-np.log2(21 / 276):.3f} bits per dimension (standard error 0.000)" in capsys.readouterr().out
    assert main(["--data", "array:nowhere"]) == 2
