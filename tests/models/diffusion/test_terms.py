"""What the bound and training of the diffusion model are made of: terms by hand, drawn as they say."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor, nn
from torch.distributions import Normal, kl_divergence

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what other libraries warn of when they are imported is not ours
    pytest.importorskip("diffusers", reason="diffusion models need the extra 'diffusion'")

from models.diffusion import Diffusion
from models.diffusion.bound import discretised_gaussian_log_mass
from models.diffusion.config import DiffusionConfig
from models.logistic import BINS


class _Recording(nn.Module):
    """Predicts a third of the image as noise, and keeps what it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[Tensor, Tensor]] = []

    def forward(self, noisy: Tensor, t: Tensor) -> Tensor:
        self.asked.append((noisy, t))
        return noisy / 3


def _recorded(**settings: Any) -> tuple[Diffusion, _Recording]:
    """Return a model of 4x4 grey images, and its network."""
    network = _Recording()
    config = DiffusionConfig(image_shape=(1, 4, 4), channels=(8,), timestep=1, **settings)
    return Diffusion(config, network).double(), network


def _images(n: int) -> Tensor:
    return torch.rand(n, 1, 4, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64) - 0.5


@pytest.mark.parametrize("variance", ["forward", "posterior"])
def test_the_bound_is_the_sum_of_its_terms_worked_out_by_hand(variance: str) -> None:
    """From what the network was asked: Kullback-Leibler divergences of normals, and one mass of a bin."""
    settings = {"timesteps": 5, "terms": 0, "noise_samples": 1, "first_beta": 0.05, "last_beta": 0.3}
    model, network = _recorded(**settings, variance=variance)
    x = 0.9 * _images(3)  # not in the first and last bin
    found = model.log_prob(x)
    assert [set(t.tolist()) for _, t in network.asked] == [{1}, {2}, {3}, {4}, {5}]
    betas = torch.tensor([0.05, 0.1125, 0.175, 0.2375, 0.3], dtype=torch.float64)
    signal = torch.cat((torch.ones(1), (1 - betas).cumprod(dim=0)))
    images = 2 * (((x + 0.5) * BINS).floor() + 0.5) / BINS - 1
    last = kl_divergence(Normal(signal[5].sqrt() * images, (1 - signal[5]).sqrt()), Normal(0.0, 1.0))
    expected = math.log(BINS) - last
    noises = []
    for beta, before, after, (noisy, t) in zip(betas, signal[:-1], signal[1:], network.asked, strict=True):
        noises.append(((noisy - after.sqrt() * images) / (1 - after).sqrt()).flatten())
        mean = (noisy - beta / (1 - after).sqrt() * noisy / 3) / (1 - beta).sqrt()
        if t[0] == 1:
            edges = 1 / BINS * torch.tensor([-1.0, 1.0], dtype=torch.float64)
            low, high = (Normal(mean, beta.sqrt()).cdf(images + edge) for edge in edges)
            expected = expected + (high - low).log()
            continue
        exact = beta * (1 - before) / (1 - after)
        centre = before.sqrt() * beta * images + (1 - beta).sqrt() * (1 - before) * noisy
        reverse = Normal(mean, (beta if variance == "forward" else exact).sqrt())
        expected = expected - kl_divergence(Normal(centre / (1 - after), exact.sqrt()), reverse)
    torch.testing.assert_close(found, expected.sum(dim=(1, 2, 3)), rtol=1e-5, atol=1e-4)
    assert (torch.corrcoef(torch.stack(noises)) - torch.eye(5)).abs().max() < 0.5  # no term takes another's


def test_terms_are_drawn_evenly_from_their_ranges_and_apart_from_each_other() -> None:
    model, network = _recorded(timesteps=30, terms=3, noise_samples=2)
    model.log_prob(_images(2000))
    drawn = [t.tolist() for _, t in network.asked]
    ranges = [range(min(t), max(t) + 1) for t in drawn]
    assert ranges[0] == ranges[1] == range(1, 2)
    assert ranges[2] == ranges[3]
    assert ranges[4] == ranges[5]
    assert (ranges[2].start, ranges[2].stop, ranges[4].stop) == (2, ranges[4].start, 31)
    for t, places in zip(drawn[2:], ranges[2:], strict=True):
        counts = np.bincount(t, minlength=31)[places.start : places.stop]
        assert stats.chisquare(counts).pvalue > 1e-4
    assert abs(np.corrcoef(drawn[2:]) - np.eye(4)).max() < 0.1


def test_simple_training_meets_all_timesteps_equally_often() -> None:
    model, network = _recorded(timesteps=8, terms=0)
    model.training_log_prob(_images(4000))
    counts = np.bincount(network.asked[0][1], minlength=9)
    assert counts[0] == 0
    assert stats.chisquare(counts[1:]).pvalue > 1e-4


def test_training_for_the_bound_draws_timesteps_in_proportion_to_their_weight() -> None:
    model, network = _recorded(timesteps=8, terms=0, training="bound")
    model.training_log_prob(_images(4000))
    weights = model.schedule.error_weight(torch.arange(1, 9)).numpy()
    counts = np.bincount(network.asked[0][1], minlength=9)
    assert counts[0] == 0
    assert stats.chisquare(counts[1:], 4000 * weights / weights.sum()).pvalue > 1e-4


def test_the_first_timestep_is_number_zero_for_the_library() -> None:
    torch.manual_seed(0)
    model = Diffusion(DiffusionConfig(image_shape=(1, 4, 4), channels=(16,))).double()
    x, t = _images(4), torch.tensor([1, 2, 500, 1000])
    unet = model.network.get_submodule("unet")
    torch.testing.assert_close(model.network(x, t), unet(x, t - 1).sample)


def test_a_timestep_is_asked_as_often_as_there_are_noises() -> None:
    model, network = _recorded(evaluation="timestep", noise_samples=3)
    model.log_prob(_images(2))
    assert [t.tolist() for _, t in network.asked] == [[1, 1]] * 3
    assert len(torch.stack([noisy for noisy, _ in network.asked]).unique(dim=0)) == 3


def test_at_temperature_zero_nothing_is_drawn() -> None:
    model, _ = _recorded(timesteps=3, terms=0)
    one, other = (model.sample(2, torch.Generator().manual_seed(seed), temperature=0.0) for seed in (0, 1))
    assert torch.equal(one, other)


def test_the_last_reverse_step_adds_no_noise() -> None:
    model, network = _recorded(timesteps=3, terms=0, first_beta=0.1, last_beta=0.3)
    found = model.float().sample(2, torch.Generator().manual_seed(0))
    noisy, t = network.asked[-1]
    assert t.tolist() == [1, 1]
    torch.testing.assert_close(found, model.schedule.mean_within_range(noisy, noisy / 3, t) / 2)


@pytest.mark.parametrize(("mean", "std"), [(0.0, 0.3), (0.9, 0.01), (-1.5, 0.5)])
def test_bins_of_a_gaussian_are_as_wide_as_those_of_the_image(mean: float, std: float) -> None:
    bins, normal = np.array([0, 1, 100, 128, 243, 254, 255]), stats.norm(mean, std)
    lower = bins / 128 - 1
    expected = normal.cdf(lower + 1 / 128) - normal.cdf(lower)
    expected[0], expected[-1] = normal.cdf(1 / 128 - 1), normal.sf(1 - 1 / 128)
    found = discretised_gaussian_log_mass(
        torch.from_numpy(bins), torch.tensor(mean).double(), torch.tensor(std).double()
    )
    np.testing.assert_allclose(found.exp(), np.maximum(expected, 1e-12), rtol=1e-6, atol=1e-13)


def test_rare_bins_keep_their_digits_on_both_sides_of_the_mean() -> None:
    """In single precision: bin 255 - b about -m has what bin b has about m, 5 deviations away too."""
    bins, mean, std = torch.arange(BINS), torch.tensor(-0.3), torch.tensor(0.05)
    found = discretised_gaussian_log_mass(bins, mean, std)
    torch.testing.assert_close(
        found, discretised_gaussian_log_mass(255 - bins, -mean, std), rtol=1e-3, atol=0
    )
    assert found[(bins / 128 - 1 - mean) / std > 5].max() < -10
