"""Coupling layers: their formulas, and what happens at the ends of the scale."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import special

from invglow.transforms import AdditiveCoupling, AffineCoupling, Coupling, CouplingNetwork
from tests.properties import random_images


@torch.no_grad()
def constant(*channels: float) -> CouplingNetwork:
    """Return a network that writes these channels whatever it reads in its two."""
    network = CouplingNetwork(2, 1, len(channels)).double()
    network.bias_out.copy_(torch.tensor(channels))
    return network


def test_affine_reads_shift_and_raw_scale_interleaved() -> None:
    x = random_images(2, 4, 3, 3)
    z, log_det = AffineCoupling(constant(10, 0.5, 20, -1.5))(x)
    scales = special.expit(np.array([2.5, 0.5]))
    assert torch.equal(z[:, :2], x[:, :2])
    torch.testing.assert_close(z[:, 2], (x[:, 2] + 10) * scales[0])
    torch.testing.assert_close(z[:, 3], (x[:, 3] + 20) * scales[1])
    assert log_det.tolist() == pytest.approx([9 * np.log(scales).sum()] * 2)


def test_additive_adds_and_keeps_the_volume() -> None:
    x = random_images(2, 4, 3, 3)
    z, log_det = AdditiveCoupling(constant(10, 20))(x)
    torch.testing.assert_close(z, torch.cat((x[:, :2], x[:, 2:3] + 10, x[:, 3:] + 20), dim=1))
    assert torch.equal(log_det, torch.zeros(2).double())


@pytest.mark.parametrize("raw", [-600.0, -80.0, -42.0, -38.0, -2.0, 0.0, 40.0, 700.0])
def test_affine_log_det_is_exact_for_any_raw_scale(raw: float) -> None:
    output = torch.tensor([0.0, raw], dtype=torch.float64).view(1, 2, 1, 1).requires_grad_()
    _, log_det = AffineCoupling.move(torch.zeros(1, 1, 1, 1).double(), output)
    assert log_det.item() == pytest.approx(float(special.log_expit(raw + 2)), rel=1e-12, abs=1e-15)
    (gradient,) = torch.autograd.grad(log_det.sum(), output)
    assert gradient[0, 1].item() == pytest.approx(float(special.expit(-raw - 2)), rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("raw", [-1e4, -750.0, -105.0, -95.0, 1e4])
def test_affine_stays_finite_where_its_scale_underflows(raw: float, dtype: torch.dtype) -> None:
    """As an image unlike any seen in training can make it: its likelihood is then low, but a number."""
    output = torch.tensor([0.5, raw], dtype=dtype).view(1, 2, 1, 1).requires_grad_()
    x = torch.full((1, 1, 1, 1), 1.5, dtype=dtype)
    z, log_det = AffineCoupling.move(x, output)
    (gradient,) = torch.autograd.grad(z.sum() + log_det.sum(), output)
    assert log_det.isfinite().all()
    assert gradient.isfinite().all()
    torch.testing.assert_close(AffineCoupling.move_back(z, output)[0], x)


@pytest.mark.parametrize("kind", [AffineCoupling, AdditiveCoupling])
def test_odd_number_of_channels_is_refused(kind: type[Coupling]) -> None:
    with pytest.raises(ValueError, match=r"even number C of channels, got \(2, 3, 4, 4\)"):
        kind(constant(1))(random_images(2, 3, 4, 4))


@pytest.mark.parametrize(("kind", "channels"), [(AffineCoupling, (1, 1)), (AdditiveCoupling, (1,))])
def test_network_of_too_few_channels_is_refused(kind: type[Coupling], channels: tuple[float, ...]) -> None:
    """One shift for all channels would be broadcast, and the log-determinant of one channel counted."""
    with pytest.raises(ValueError, match=r"network must return . channels, got"):
        kind(constant(*channels))(random_images(2, 4, 3, 3))
