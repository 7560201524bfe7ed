"""Noise of an image: its own, reproducible, and as random as it says."""

from __future__ import annotations

import numpy as np
import torch
from scipy import stats

from models.noise import normal_noise, uniform_noise

IMAGES = torch.rand(40, 3, 8, 8, generator=torch.Generator().manual_seed(0)) - 0.5


def test_noise_depends_neither_on_the_batch_nor_on_the_order() -> None:
    whole = normal_noise(IMAGES, (5, 3), seed=1)
    order = torch.randperm(40, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(normal_noise(IMAGES[order], (5, 3), seed=1), whole[order], rtol=0, atol=0)
    torch.testing.assert_close(normal_noise(IMAGES[7:8], (5, 3), seed=1), whole[7:8], rtol=0, atol=0)


def test_another_seed_and_the_smallest_change_of_a_pixel_give_other_noise() -> None:
    changed = IMAGES[:1].clone()
    changed[0, 1, 2, 3] += 2.0**-24
    here = normal_noise(IMAGES[:1], (100,), seed=0)
    for other in (normal_noise(IMAGES[:1], (100,), seed=1), normal_noise(changed, (100,), seed=0)):
        assert abs(np.corrcoef(here[0], other[0])[0, 1]) < 0.3


def test_swapping_two_pixels_gives_other_noise() -> None:
    swapped = IMAGES[:1].flip(-1)
    assert not torch.equal(normal_noise(IMAGES[:1], (10,), seed=0), normal_noise(swapped, (10,), seed=0))


def test_noise_is_normal_and_uniform_within_and_across_images() -> None:
    normal = normal_noise(IMAGES, (500,), seed=3).double().numpy()
    uniform = uniform_noise(IMAGES, (500,), seed=3).numpy()
    assert stats.kstest(normal.ravel(), "norm").pvalue > 1e-3
    assert stats.kstest(uniform.ravel(), "uniform").pvalue > 1e-3
    assert stats.kstest(normal[:, 0], "norm").pvalue > 1e-3
    assert abs(np.corrcoef(normal) - np.eye(40)).max() < 0.2  # between images
    assert abs(np.corrcoef(normal[:, :250].ravel(), normal[:, 250:].ravel())[0, 1]) < 0.03  # within one


def test_by_index_it_depends_on_no_pixel_and_on_nothing_but_index_and_seed() -> None:
    index = torch.arange(40)
    whole = normal_noise(IMAGES, (5, 3), 1, index)
    order = torch.randperm(40, generator=torch.Generator().manual_seed(1))
    assert torch.equal(normal_noise(torch.zeros_like(IMAGES), (5, 3), 1, index), whole)
    assert torch.equal(normal_noise(IMAGES, (5, 3), 1, index[order]), whole[order])
    assert torch.equal(normal_noise(IMAGES[7:8], (5, 3), 1, index[7:8]), whole[7:8])
    assert not torch.equal(normal_noise(IMAGES, (5, 3), 2, index), whole)


def test_by_index_it_is_normal_within_and_across_neighbours_and_seeds() -> None:
    index = torch.cat((torch.arange(20), (1 << 40) + torch.arange(20)))
    rows = torch.cat([normal_noise(IMAGES, (500,), seed, index) for seed in (0, 1, 1 << 40)]).double().numpy()
    assert stats.kstest(rows.ravel(), "norm").pvalue > 1e-3
    assert stats.kstest(rows[:, 0], "norm").pvalue > 1e-3
    assert abs(np.corrcoef(rows) - np.eye(120)).max() < 0.25
    uniform = uniform_noise(IMAGES, (500,), 3, index).numpy()
    assert stats.kstest(uniform.ravel(), "uniform").pvalue > 1e-3


def test_noise_goes_through_vmap() -> None:
    mapped = torch.func.vmap(lambda image: normal_noise(image[None], (4,), seed=0)[0])(IMAGES)
    torch.testing.assert_close(mapped, normal_noise(IMAGES, (4,), seed=0))


def test_noise_carries_no_gradient() -> None:
    x = IMAGES.clone().requires_grad_()
    assert not normal_noise(x, (4,), seed=0).requires_grad
