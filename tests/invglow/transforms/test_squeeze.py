"""Squeezing: where each pixel goes."""

from __future__ import annotations

import pytest
import torch

from invglow.transforms import Squeeze


def test_each_block_of_pixels_becomes_channels() -> None:
    x = torch.arange(2 * 2 * 4 * 6, dtype=torch.float32).view(2, 2, 4, 6)
    z, log_det = Squeeze()(x)
    assert z.shape == (2, 8, 2, 3)
    for channel in range(2):
        for i in range(2):
            for j in range(2):
                assert torch.equal(z[:, 4 * channel + 2 * i + j], x[:, channel, i::2, j::2])
    assert torch.equal(log_det, torch.zeros(2))


def test_output_lies_channels_last_in_memory() -> None:
    """Which the convolutions of the steps are fastest with."""
    squeeze = Squeeze()
    z, _ = squeeze(torch.zeros(2, 3, 4, 4))
    assert z.is_contiguous(memory_format=torch.channels_last)
    assert squeeze.inverse(z)[0].is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("shape", [(2, 3, 5, 4), (2, 3, 4, 5), (3, 4, 4)])
def test_odd_sides_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"even H and W, got \("):
        Squeeze()(torch.zeros(shape))


@pytest.mark.parametrize("shape", [(2, 3, 4, 4), (2, 6, 4, 4), (4, 4, 4)])
def test_undoing_needs_channels_divisible_by_4(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"C divisible by 4, got \("):
        Squeeze().inverse(torch.zeros(shape))
