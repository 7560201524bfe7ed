"""The density integrates to one, belongs to the samples, and is the known Gaussian for a linear flow."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal
from torch import Tensor

from invglow.flows import MultiScaleFlow
from invglow.transforms import CouplingNetwork
from tests.invglow.flows.examples import VARIANTS, small_glow
from tests.properties import jacobian, latents_and_log_det, random_images

N = 20_000
# Image shape and scales: 4 and 16 dimensions.
SMALL_IMAGES = [((1, 2, 2), 1), ((1, 4, 4), 2)]


def gaussian_around(samples: Tensor, widening: float) -> torch.distributions.MultivariateNormal:
    """Return the Gaussian with the samples' mean and `widening` times their covariance."""
    flat = samples.flatten(1)
    return torch.distributions.MultivariateNormal(flat.mean(dim=0), widening * torch.cov(flat.T))


def assert_mean_is_one(ratios: Tensor) -> None:
    """Within 4 standard errors, which must be small enough to see a mistake."""
    standard_error = ratios.std() / len(ratios) ** 0.5
    assert standard_error < 0.02
    assert (ratios.mean() - 1).abs() < 4 * standard_error


@torch.no_grad()
@pytest.mark.parametrize(("mixing", "coupling"), VARIANTS)
@pytest.mark.parametrize(("image_shape", "scales"), SMALL_IMAGES)
def test_integrates_to_one(
    mixing: str, coupling: str, image_shape: tuple[int, int, int], scales: int
) -> None:
    """E over x ~ q of p(x) / q(x) is the integral of p, for any density q that covers it."""
    flow = small_glow(image_shape=image_shape, scales=scales, mixing=mixing, coupling=coupling)
    generator = torch.Generator().manual_seed(0)
    q = gaussian_around(flow.sample(N, generator=generator), widening=1.2)
    x = q.mean + torch.randn(N, len(q.mean), generator=generator).double() @ q.scale_tril.T
    assert_mean_is_one((flow.log_prob(x.view(N, *image_shape)) - q.log_prob(x)).exp())


@torch.no_grad()
@pytest.mark.parametrize(("mixing", "coupling"), VARIANTS)
@pytest.mark.parametrize(("image_shape", "scales"), SMALL_IMAGES)
def test_samples_come_from_the_density(
    mixing: str, coupling: str, image_shape: tuple[int, int, int], scales: int
) -> None:
    """E over x ~ p of q(x) / p(x) is the integral of q, which is one, if the samples have the density p."""
    flow = small_glow(image_shape=image_shape, scales=scales, mixing=mixing, coupling=coupling)
    x = flow.sample(N, generator=torch.Generator().manual_seed(0))
    q = gaussian_around(x, widening=0.8)
    assert_mean_is_one((q.log_prob(x.flatten(1)) - flow.log_prob(x)).exp())


def linear_glow(coupling: str) -> MultiScaleFlow:
    """Return a Glow whose coupling networks write constants, so that it is an affine map of a Gaussian."""
    flow = small_glow(image_shape=(1, 4, 4), coupling=coupling)
    with torch.no_grad():
        for scale in flow.scales:
            for step in scale.steps:
                network = step.coupling.network
                assert isinstance(network, CouplingNetwork)
                network.conv_out.weight.zero_()
    return flow


def gaussian_of(flow: MultiScaleFlow) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and covariance of x where `latents = A x + b` are independent normals."""
    origin = torch.zeros(flow.image_shape, dtype=torch.float64)
    forward = latents_and_log_det(flow)
    matrix, offset = jacobian(forward, origin).detach().numpy(), forward(origin[None])[0][0].detach().numpy()
    loc = torch.cat([scale.prior.loc.flatten() for scale in flow.scales]).detach().numpy()
    log_scale = torch.cat([scale.prior.log_scale.flatten() for scale in flow.scales]).detach().numpy()
    inverse = np.linalg.inv(matrix)
    return inverse @ (-loc - offset), inverse @ np.diag(np.exp(-2 * log_scale)) @ inverse.T


@pytest.mark.parametrize("coupling", ["affine", "additive"])
def test_linear_flow_is_the_gaussian_in_closed_form(coupling: str) -> None:
    flow = linear_glow(coupling)
    mean, covariance = gaussian_of(flow)
    x = random_images(10, 1, 4, 4)
    expected = multivariate_normal(mean, covariance).logpdf(x.flatten(1).numpy())
    np.testing.assert_allclose(flow.log_prob(x).detach().numpy(), expected, rtol=1e-9)


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_samples_of_a_linear_flow_have_its_mean_and_covariance(temperature: float) -> None:
    flow = linear_glow("affine")
    mean, covariance = gaussian_of(flow)
    x = flow.sample(N, temperature, torch.Generator().manual_seed(0)).flatten(1).numpy()
    whitened = np.linalg.solve(np.linalg.cholesky(covariance), (x - mean).T) / temperature
    assert np.abs(whitened.mean(axis=1)).max() < 4.5 / np.sqrt(N)
    assert np.abs(np.cov(whitened) - np.eye(len(mean))).max() < 4.5 * np.sqrt(2 / N)
