"""The density of a latent."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional as F

from invglow.flows import ClassNormals, ConditionalNormal, ElementwiseNormal
from tests.properties import random_images, randomize


def prior_of(*shape: int) -> ElementwiseNormal:
    """Return a prior with random mean and scale per element."""
    prior = ElementwiseNormal(shape).double()
    randomize(prior, seed=2, scale=0.4)
    return prior


def test_integrates_to_one_on_a_grid() -> None:
    prior = prior_of(2, 1, 1)
    assert prior.log_scale.abs().max() < 1
    axis = torch.linspace(-20, 20, 401, dtype=torch.float64)
    grid = torch.cartesian_prod(axis, axis).view(-1, 2, 1, 1)
    density = prior.log_prob(grid).exp().view(401, 401)
    integral = torch.trapezoid(torch.trapezoid(density, axis), axis)
    torch.testing.assert_close(integral.detach(), torch.ones((), dtype=torch.float64), rtol=0, atol=1e-9)


def test_is_a_product_of_normals() -> None:
    prior = prior_of(3, 2, 4)
    latent = random_images(5, 3, 2, 4)
    normal = torch.distributions.Normal(-prior.loc, (-prior.log_scale).exp())
    torch.testing.assert_close(prior.log_prob(latent), normal.log_prob(latent).sum(dim=(1, 2, 3)))


def test_fit_standardises_every_element() -> None:
    prior = prior_of(2, 3, 1)
    latent = random_images(50, 2, 3, 1) * torch.arange(1, 7).view(2, 3, 1) + 4
    prior.fit(latent)
    standard = (latent + prior.loc) * prior.log_scale.exp()
    torch.testing.assert_close(standard.mean(dim=0), torch.zeros(2, 3, 1).double())
    torch.testing.assert_close(standard.var(dim=0, correction=0), torch.ones(2, 3, 1).double())


def test_fit_survives_an_element_that_never_varies() -> None:
    latent = random_images(50, 2, 1, 1, dtype=torch.float32)
    latent[:, 1] = 1234.567
    prior = ElementwiseNormal((2, 1, 1))
    prior.fit(latent)
    standard = (latent + prior.loc) * prior.log_scale.exp()
    assert torch.equal(standard[:, 1], torch.zeros(50, 1, 1))
    assert prior.log_prob(latent).isfinite().all()


def test_fit_only_shifts_what_varies_by_rounding_alone() -> None:
    spread = torch.tensor([1.0, 1e-5, 1e-8], dtype=torch.float64).view(3, 1, 1)
    latent = random_images(50, 3, 1, 1) * spread
    priors = (ElementwiseNormal((3, 1, 1)), ClassNormals(2, (3, 1, 1)), ConditionalNormal((3, 1, 1)))
    for prior in priors:
        prior.double().fit(latent)
        if isinstance(prior, ConditionalNormal):
            mean, log_std = prior.bias[0::2], prior.bias[1::2]
        else:
            mean, log_std = (-part.flatten()[:3] for part in (prior.loc, prior.log_scale))
        std = latent.std(dim=0, correction=0).flatten()
        torch.testing.assert_close(mean.detach(), latent.mean(dim=0).flatten())
        torch.testing.assert_close(log_std.detach()[:2], std[:2].log())
        assert log_std[2] == 0


def test_samples_have_its_mean_and_the_temperature_times_its_scale() -> None:
    prior = prior_of(2, 1, 2)
    n, temperature = 20_000, 0.7
    latent = prior.sample(n, temperature, torch.Generator().manual_seed(0)).detach()
    std = temperature * (-prior.log_scale).exp().detach()
    errors = (latent.mean(dim=0) + prior.loc.detach()) / (std / np.sqrt(n))
    assert errors.abs().max() < 4.5
    assert ((latent.std(dim=0) / std - 1).abs() * np.sqrt(2 * n)).max() < 4.5


def test_temperature_narrows_a_conditional_latent_about_its_mean() -> None:
    prior = ConditionalNormal((3, 4, 2)).double()
    randomize(prior)
    given = random_images(4, 3, 4, 2)
    raw = F.conv2d(given, prior.conv.weight, prior.bias, padding=1)
    mean = (raw * (3 * prior.log_scale).exp()[:, None, None])[:, 0::2]
    cold, cool, warm = (
        prior.sample(4, temperature, torch.Generator().manual_seed(0), given)
        for temperature in (0.0, 0.25, 1.0)
    )
    torch.testing.assert_close(cold, mean)
    torch.testing.assert_close(cool - mean, (warm - mean) / 4)
