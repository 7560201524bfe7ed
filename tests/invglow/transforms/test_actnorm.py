"""Activation normalization: its formula, and fitting it to data."""

from __future__ import annotations

import pytest
import torch

from invglow.transforms import ActNorm
from tests.properties import assert_same_tensors, random_images, randomize


def test_fresh_one_is_the_identity() -> None:
    x = random_images(2, 3, 4, 5, dtype=torch.float32)
    z, log_det = ActNorm(3)(x)
    assert torch.equal(z, x)
    assert torch.equal(log_det, torch.zeros(2))


def test_shifts_then_scales_each_channel() -> None:
    actnorm = ActNorm(2).double()
    randomize(actnorm)
    x = random_images(2, 2, 3, 4)
    z, log_det = actnorm(x)
    for i in range(2):
        torch.testing.assert_close(z[:, i], actnorm.log_scale[i].exp() * (x[:, i] + actnorm.loc[i]))
    torch.testing.assert_close(log_det, 3 * 4 * actnorm.log_scale.sum().expand(2))


def test_fit_gives_mean_0_and_variance_1_per_channel() -> None:
    spread = torch.tensor([1e-3, 1.0, 50.0], dtype=torch.float64).view(1, 3, 1, 1)
    x = random_images(16, 3, 4, 4) * spread + 7 * spread
    actnorm = ActNorm(3).double()
    actnorm.fit(x)
    z, _ = actnorm(x)
    torch.testing.assert_close(z.mean(dim=(0, 2, 3)), torch.zeros(3).double())
    torch.testing.assert_close(z.var(dim=(0, 2, 3), correction=0), torch.ones(3).double())


def test_fit_forgets_what_was_there() -> None:
    x = random_images(8, 3, 4, 4, dtype=torch.float32)
    fresh, other = ActNorm(3), ActNorm(3)
    randomize(other)
    fresh.fit(x)
    other.fit(x)
    assert_same_tensors(fresh(x), other(x))


@pytest.mark.parametrize("value", [0.0, 0.3, -0.498, -1e3, 1234.567])
def test_constant_channels_stay_finite(value: float) -> None:
    x = random_images(8, 2, 4, 4, dtype=torch.float32)
    x[:, 1] = value
    actnorm = ActNorm(2)
    actnorm.fit(x)
    z, log_det = actnorm(x)
    assert z.isfinite().all()
    assert log_det.isfinite().all()
    assert torch.equal(z[:, 1], torch.zeros(8, 4, 4))


def test_channels_that_vary_by_rounding_alone_are_only_shifted() -> None:
    x = random_images(8, 3, 4, 4) * torch.tensor([1.0, 1e-5, 1e-8]).double().view(1, 3, 1, 1)
    actnorm = ActNorm(3).double()
    actnorm.fit(x)
    assert (actnorm.log_scale[:2] > 0).all()
    assert actnorm.log_scale[2] == 0
    torch.testing.assert_close(actnorm.loc, -x.mean(dim=(0, 2, 3)))


def test_fit_refuses_the_wrong_number_of_channels() -> None:
    with pytest.raises(ValueError, match=r"\(B, 3, H, W\), got \(2, 1, 4, 4\)"):
        ActNorm(3).fit(random_images(2, 1, 4, 4))
