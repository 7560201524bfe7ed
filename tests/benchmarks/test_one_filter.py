"""The two general sets of `benchmarks.one_filter` differ in how crops are downsized, and in nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.one_filter import WAYS, downsized_crop, main, through_jpeg
from benchmarks.sharpest import sharpness


def _noise(size: int = 256) -> list[Image.Image]:
    return [Image.fromarray(np.random.default_rng(0).integers(0, 256, (size, size, 3), dtype=np.uint8))]


def test_both_sets_cut_the_same_boxes() -> None:
    """Without blur and with one and the same filter nothing is left that could differ."""
    many = replace(WAYS["many"], filters=WAYS["one"].filters, blurred=0.0)
    for number in range(5):
        one = downsized_crop(_noise(), WAYS["one"], (0, number))
        np.testing.assert_array_equal(one, downsized_crop(_noise(), many, (0, number)))


def test_one_way_is_sharper_than_many() -> None:
    crops = {
        name: np.stack([downsized_crop(_noise(), ways, (0, number)) for number in range(40)])
        for name, ways in WAYS.items()
    }
    assert sharpness(crops["one"]).mean() > 1.1 * sharpness(crops["many"]).mean()


def test_the_coder_is_lossy_but_close() -> None:
    ramp = np.broadcast_to(np.arange(0, 256, 8, dtype=np.uint8)[:, None, None], (32, 32, 3)).copy()
    coded = through_jpeg(ramp)
    assert coded.shape == ramp.shape
    assert 0 < np.abs(coded.astype(int) - ramp).max() < 30


def test_command_writes_the_array(tmp_path: Path) -> None:
    target = tmp_path / "one" / "train.npy"
    main([str(target), "--ways", "one", "--images", "20"])
    images = np.load(target, allow_pickle=False)
    assert images.shape == (20, 32, 32, 3)
    assert images.dtype == np.uint8
    assert images.std() > 10
