"""The sharpest part of a set."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.sharpest import main, sharpest, sharpness


def _images() -> NDArray[np.uint8]:
    """Return four images: two of noise (sharp, one of low contrast), a ramp and a constant (smooth)."""
    noise = np.random.default_rng(0).integers(0, 256, (8, 8, 3))
    ramp = np.broadcast_to(np.arange(8)[:, None, None] * 30, (8, 8, 3))
    return np.stack([ramp, noise, np.full((8, 8, 3), 7), noise // 4 + 90]).astype(np.uint8)


def test_noise_is_sharper_than_a_ramp_or_a_constant_whatever_its_contrast() -> None:
    ramp, noise, constant, faint_noise = sharpness(_images())
    assert constant == 0
    assert ramp < 0.1
    assert min(noise, faint_noise) > 1


def test_indices_of_the_sharpest_are_ascending() -> None:
    assert sharpest(_images(), 0.5).tolist() == [1, 3]


def test_a_fraction_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="above 0"):
        sharpest(_images(), 0.0)


def test_the_command_writes_the_array(tmp_path: Path) -> None:
    np.save(tmp_path / "all.npy", _images())
    main([str(tmp_path / "all.npy"), str(tmp_path / "sharp" / "train.npy"), "--fraction", "0.5"])
    np.testing.assert_array_equal(np.load(tmp_path / "sharp" / "train.npy"), _images()[[1, 3]])
