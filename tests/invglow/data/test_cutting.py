"""Squares are cut out of the middle, or anywhere with the same probability."""

from __future__ import annotations

import numpy as np
import torch

from invglow.data.cutting import cut_squares


def test_squares_of_wide_pictures() -> None:
    """Every pixel of a picture of 6x11 tells its place."""
    picture = np.stack(np.meshgrid(np.arange(6), np.arange(11), indexing="ij"), axis=-1).astype(np.uint8)
    pictures = np.repeat(picture[None], 500, axis=0)
    assert cut_squares(pictures, 4)[0, 0, 0].tolist() == [1, 3]
    found = cut_squares(pictures, 4, torch.Generator().manual_seed(0))
    counts = np.zeros((3, 8))
    for square in found:
        top, left = square[0, 0]
        assert np.array_equal(square, picture[top : top + 4, left : left + 4])
        counts[top, left] += 1
    assert (counts > 0).all()
    assert (np.abs(counts - 500 / 24) < 4.5 * np.sqrt(500 / 24)).all()
