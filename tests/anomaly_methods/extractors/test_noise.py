"""Noise: uniform or normal, and a function of seed, image and draw alone."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest

from anomaly_methods.extractors.noise import standard_normal_noise, uniform_noise

SHAPE = (3, 8, 8)


@settings(deadline=None)
@given(start=st.integers(0, 2**40), length=st.integers(1, 8), step=st.integers(1, 4))
def test_noise_of_an_image_does_not_depend_on_its_batch(start: int, length: int, step: int) -> None:
    indices = range(start, start + length * step, step)
    together = uniform_noise(indices, SHAPE, seed=5, draw=2)
    alone = [uniform_noise(range(index, index + 1), SHAPE, seed=5, draw=2) for index in indices]
    assert torch.equal(together, torch.cat(alone))


def test_noise_differs_by_image_draw_and_seed_and_repeats_otherwise() -> None:
    first = uniform_noise(range(2), SHAPE, seed=0, draw=0)
    assert torch.equal(first, uniform_noise(range(2), SHAPE, seed=0, draw=0))
    others = [
        uniform_noise(range(2), SHAPE, seed=0, draw=1),
        uniform_noise(range(2), SHAPE, seed=1, draw=0),
        uniform_noise(range(2, 4), SHAPE, seed=0, draw=0),
    ]
    distinct = torch.stack([image for batch in (first, *others) for image in batch]).flatten(1)
    assert len(distinct.unique(dim=0)) == 8
    assert abs(torch.corrcoef(distinct).fill_diagonal_(0)).max() < 0.3


def test_noise_is_uniform_and_channels_last() -> None:
    noise = uniform_noise(range(200), SHAPE, seed=0, draw=0)
    assert noise.shape == (200, *SHAPE)
    assert noise.dtype == torch.float32
    assert noise.is_contiguous(memory_format=torch.channels_last)
    assert 0 <= noise.min() < 1e-3
    assert 1 - 1e-3 < noise.max() < 1
    assert kstest(noise.flatten().numpy(), "uniform").pvalue > 0.01


def test_normal_noise_is_standard_and_belongs_to_the_image() -> None:
    noise = standard_normal_noise(range(300), 40, seed=0, draw=0)
    assert (noise.dtype, tuple(noise.shape)) == (torch.float64, (300, 40))
    assert abs(float(noise.mean())) < 5 / (300 * 40) ** 0.5
    assert float(noise.var()) == pytest.approx(1.0, abs=0.05)
    alone = standard_normal_noise(range(7, 8), 40, seed=0, draw=0)
    assert torch.equal(noise[7:8], alone)
    for other in ({"seed": 1, "draw": 0}, {"seed": 0, "draw": 1}):
        assert not torch.equal(standard_normal_noise(range(7, 8), 40, **other), alone)
