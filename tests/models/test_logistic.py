"""The discretised logistic: probabilities of bins that sum to one, whatever its parameters."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.logistic import BINS, bin_centre, bin_of, logistic_log_density, logistic_log_mass

ALL_BINS = torch.arange(BINS)


@given(mean=st.floats(-2, 2), log_scale=st.floats(-12, 4))
def test_the_bins_sum_to_one(mean: float, log_scale: float) -> None:
    mass = logistic_log_mass(ALL_BINS, *torch.tensor((mean, log_scale), dtype=torch.float64))
    assert torch.isfinite(mass).all()
    assert float(mass.exp().sum()) == pytest.approx(1, abs=1e-9)


def test_mass_is_the_difference_of_the_distribution_function() -> None:
    mean, scale = 0.1, 0.03
    bins = torch.tensor([100, 140, 153])
    edges = [torch.sigmoid((bins + edge) / BINS / scale - (0.5 + mean) / scale) for edge in (1.0, 0.0)]
    found = logistic_log_mass(bins, torch.tensor(mean), torch.tensor(scale).log())
    torch.testing.assert_close(found.exp(), edges[0] - edges[1], rtol=1e-4, atol=1e-7)


def test_density_integrates_to_one_over_the_pixel() -> None:
    x = (torch.arange(1024, dtype=torch.float64) + 0.5) / 1024 - 0.5
    density = logistic_log_density(x, torch.tensor(0.2), torch.tensor(-3.0)).exp()
    assert float(density.mean()) == pytest.approx(1)


def test_a_very_wide_logistic_is_far_from_uniform_only_at_its_tails() -> None:
    """Everything inside is equally likely, and the rest of the mass lies in the first and last bin."""
    mass = logistic_log_mass(ALL_BINS, torch.tensor(0.0), torch.tensor(8.0)).exp()
    assert float(mass[1:-1].max() / mass[1:-1].min()) < 1.001
    assert float(mass[0]) == pytest.approx(0.5, abs=1e-3)


def test_the_centre_of_a_bin_is_in_its_middle() -> None:
    expected = (torch.arange(BINS, dtype=torch.float64) + 0.5) / 256 - 0.5
    torch.testing.assert_close(bin_centre(ALL_BINS, torch.float64), expected)
    assert torch.equal(bin_of(bin_centre(ALL_BINS, torch.float32)), ALL_BINS)


def test_bins_cover_the_unit_interval() -> None:
    x = torch.tensor([-0.5, -0.5 + 1 / 512, 0.0, 0.5 - 1 / 512, 0.5, -0.7])
    assert bin_of(x).tolist() == [0, 0, 128, 255, 255, 0]
    assert math.isclose(
        logistic_log_density(x[:1], x[:1], torch.tensor(30.0)).item(), math.log(128), rel_tol=1e-6
    )
