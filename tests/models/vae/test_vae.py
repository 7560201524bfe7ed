"""The VAE: bounds in their order, on a model whose likelihood is known, and images on their own."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from anomaly_methods.extractors.gradient_norms import reference_squared_norms, squared_gradient_norms
from models.vae import VAE, model
from models.vae.config import VAEConfig

TINY = VAEConfig(image_shape=(1, 8, 8), latent_dimensions=3, hidden_channels=8)
IMAGES = torch.rand(6, 1, 8, 8, generator=torch.Generator().manual_seed(0)) - 0.5
STD = 0.1


def _vae(**changes: object) -> VAE:
    torch.manual_seed(0)
    return VAE(replace(TINY, **changes)).eval()  # type: ignore[arg-type]


class _LinearDecoder(nn.Module):
    """Pixels are normal around a linear function of the code, with standard deviation `STD`."""

    def __init__(self, matrix: Tensor) -> None:
        super().__init__()
        self.matrix = nn.Parameter(matrix)

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        location = (z @ self.matrix.T).unflatten(1, (1, 8, 8))
        return location, torch.full_like(location, math.log(STD) + 2.5)


class _Posterior(nn.Module):
    """The exact posterior of the linear model, its standard deviation multiplied by `widened`."""

    def __init__(self, matrix: Tensor, widened: float) -> None:
        super().__init__()
        precision = torch.eye(3, dtype=matrix.dtype) + matrix.T @ matrix / STD**2
        self.map = torch.linalg.solve(precision, matrix.T) / STD**2
        self.log_std = -0.5 * precision.diagonal().log() + math.log(widened)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mean = x.flatten(1) @ self.map.T
        return mean, self.log_std.expand_as(mean)


def _linear(widened: float, **changes: object) -> tuple[VAE, Tensor]:
    """Return a linear-Gaussian VAE in float64, and the exact log p(x) of `IMAGES` under it."""
    vae = _vae(likelihood="gaussian", **changes).double()
    orthogonal = torch.linalg.qr(torch.randn(64, 3, generator=torch.Generator().manual_seed(1)).double())[0]
    vae.decoder, vae.encoder = _LinearDecoder(orthogonal), _Posterior(orthogonal, widened)  # type: ignore[assignment]
    covariance = orthogonal @ orthogonal.T + STD**2 * torch.eye(64).double()
    exact = torch.distributions.MultivariateNormal(torch.zeros(64).double(), covariance)
    return vae, exact.log_prob(IMAGES.double().flatten(1))


def test_with_the_exact_posterior_the_bound_is_the_likelihood() -> None:
    vae, exact = _linear(widened=1.0)
    torch.testing.assert_close(vae.log_prob(IMAGES.double()), exact, rtol=1e-9, atol=1e-9)


def test_elbo_then_importance_weighted_bound_then_likelihood() -> None:
    values = {}
    for name, weighted in (("elbo", False), ("importance", True)):
        vae, exact = _linear(widened=1.5, samples=5000, importance_weighted=weighted)
        values[name] = vae.log_prob(IMAGES.double())
    assert (values["elbo"] < values["importance"]).all()
    assert (values["importance"] < exact + 0.02).all()
    # The gap of the ELBO is the divergence of the posteriors, which is known.
    gap = 3 * (0.5 * 1.5**2 - 0.5 - math.log(1.5))
    torch.testing.assert_close(exact - values["elbo"], torch.full((6,), gap).double(), rtol=0, atol=0.15)


def test_the_standard_error_of_the_elbo_is_that_of_its_codes() -> None:
    """Over 300 seeds, the mean of 8 codes spreads as the model says of itself; one code says nothing."""
    found = [_linear(1.5, samples=8, noise_seed=seed)[0].estimate(IMAGES.double()) for seed in range(300)]
    spread = torch.stack([one.log_prob for one in found]).std(dim=0)
    said = torch.stack([one.standard_error for one in found if one.standard_error is not None])
    assert len(said) == 300
    torch.testing.assert_close(said.square().mean(dim=0).sqrt(), spread, rtol=0.2, atol=0)
    assert _vae().estimate(IMAGES).standard_error is None
    assert _vae(samples=8, importance_weighted=True).estimate(IMAGES).standard_error is None


def test_one_sample_makes_both_bounds_equal() -> None:
    torch.testing.assert_close(_vae().log_prob(IMAGES), _vae(importance_weighted=True).log_prob(IMAGES))


@pytest.mark.parametrize("likelihood", ["logistic", "gaussian"])
def test_images_do_not_depend_on_their_batch(likelihood: str) -> None:
    vae = _vae(likelihood=likelihood, samples=2)
    whole = vae.log_prob(IMAGES)
    order = torch.tensor([3, 1, 5, 0, 2, 4])
    torch.testing.assert_close(vae.log_prob(IMAGES[order]), whole[order], rtol=1e-5, atol=1e-4)
    torch.testing.assert_close(
        torch.cat([vae.log_prob(x[None]) for x in IMAGES]), whole, rtol=1e-5, atol=1e-4
    )


@pytest.mark.parametrize("weighted", [False, True])
def test_codes_decoded_in_parts_give_the_same(weighted: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    vae = _vae(samples=7, importance_weighted=weighted)
    expected = vae.log_prob(IMAGES).detach()
    decoded: list[int] = []
    vae.decoder.register_forward_pre_hook(lambda _, inputs: decoded.append(len(inputs[0])))
    monkeypatch.setattr(model, "_IMAGES_AT_ONCE", 20)
    with torch.no_grad():
        torch.testing.assert_close(vae.log_prob(IMAGES), expected, rtol=1e-5, atol=1e-4)
    assert decoded == [18, 18, 6]
    vae.log_prob(IMAGES)
    assert decoded[3:] == [42]  # rules for gradients need all codes of an image in one pass


def test_log_prob_neither_changes_the_images_nor_from_call_to_call() -> None:
    vae, x = _vae(), IMAGES.clone()
    first = vae.log_prob(x)
    assert torch.equal(x, IMAGES)
    assert torch.equal(vae.log_prob(x), first)
    assert not torch.equal(_vae(noise_seed=1).log_prob(x), first)


def test_gradient_norms_agree_with_the_reference() -> None:
    vae = _vae(samples=2)
    found, expected = squared_gradient_norms(vae, IMAGES, 2), reference_squared_norms(vae, IMAGES, 2)
    assert set(found) == {name for name, _ in vae.named_parameters()}
    for name in expected:
        torch.testing.assert_close(found[name], expected[name], rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize("likelihood", ["logistic", "gaussian"])
def test_samples_are_images_and_reproducible(likelihood: str) -> None:
    vae = _vae(likelihood=likelihood)
    draws = [vae.sample(4, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)]
    assert draws[0].shape == (4, 1, 8, 8)
    assert float(draws[0].abs().max()) <= 0.5
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])


@pytest.mark.parametrize("likelihood", ["logistic", "gaussian"])
def test_temperature_narrows_codes_and_pixels(likelihood: str) -> None:
    """At zero every sample is the location of the pixels for the code in the middle."""
    vae = _vae(likelihood=likelihood)
    cold = vae.sample(3, torch.Generator().manual_seed(0), temperature=0.0)
    location, _ = vae.decoder(torch.zeros(3, 3))
    torch.testing.assert_close(cold, location.clamp(-0.5, 0.5))
    assert len(cold.unique(dim=0)) == 1


def test_samples_have_the_distribution_of_the_decoder() -> None:
    """A linear-Gaussian model whose pixels have a known covariance."""
    vae, _ = _linear(widened=1.0)
    matrix = vae.decoder.get_parameter("matrix")
    with torch.no_grad():
        matrix.mul_(0.05)
    samples = vae.float().sample(4000, torch.Generator().manual_seed(0)).flatten(1)
    expected = matrix.detach().square().sum(dim=1) + STD**2
    torch.testing.assert_close(samples.var(dim=0), expected.float(), rtol=0.12, atol=0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"noise_seed": 1 << 70}, "noise_seed must be at least 0 and below"),
        ({"samples": 0}, "samples must be at least 1"),
        ({"image_shape": (1, 12, 8)}, "divisible by 8"),
        ({"likelihood": "student"}, "Unknown likelihood 'student'; known are logistic, gaussian"),
    ],
)
def test_bad_settings_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(TINY, **changes)  # type: ignore[arg-type]
