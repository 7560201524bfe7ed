"""The diffusion model: its bound against a known likelihood, its noise, and images on their own."""

from __future__ import annotations

import math
import warnings
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what other libraries warn of when they are imported is not ours
    pytest.importorskip("diffusers", reason="diffusion models need the extra 'diffusion'")

from anomaly_methods.extractors.gradient_norms import reference_squared_norms, squared_gradient_norms
from models.diffusion import Diffusion
from models.diffusion.bound import discretised_gaussian_log_mass, stratified
from models.diffusion.config import DiffusionConfig
from models.logistic import BINS, bin_of

TINY = DiffusionConfig(image_shape=(1, 8, 8), channels=(8, 8), terms=4)
GAUSSIAN = DiffusionConfig(
    image_shape=(1, 4, 4), channels=(8,), timesteps=200, last_beta=0.1, terms=0, noise_samples=1
)
STD = 0.3  # of the pixels of the Gaussian data set, in [-1, 1]


class _OptimalDenoiser(nn.Module):
    """The expected noise given the noisy image, where pixels are N(0, STD^2)."""

    def __init__(self, signal: Tensor) -> None:
        super().__init__()
        self.signal = signal

    def forward(self, noisy: Tensor, t: Tensor) -> Tensor:
        signal = self.signal[t].to(noisy)[:, None, None, None]
        return (1 - signal).sqrt() * noisy / (signal * STD**2 + 1 - signal)


def _tiny(**changes: Any) -> Diffusion:
    torch.manual_seed(0)
    return Diffusion(replace(TINY, **changes)).eval()


def _gaussian(**changes: Any) -> Diffusion:
    config = replace(GAUSSIAN, **changes)
    return Diffusion(config, _OptimalDenoiser(Diffusion(config, nn.Identity()).schedule.signal)).double()


def _images(n: int = 4, size: int = 8) -> Tensor:
    return torch.rand(n, 1, size, size, generator=torch.Generator().manual_seed(0)) - 0.5


def _gaussian_images(n: int) -> Tensor:
    normal = torch.randn(n, 1, 4, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return (STD / 2 * normal).clamp(-0.499, 0.499)


def test_the_bound_with_the_optimal_denoiser_is_just_below_the_likelihood() -> None:
    """On Gaussian data, all T terms; what is lost is that the reverse steps have a fixed variance."""
    x = _gaussian_images(300)
    exact = discretised_gaussian_log_mass(bin_of(x), torch.tensor(0.0).double(), torch.tensor(STD).double())
    gap = exact.sum(dim=(1, 2, 3)) + 16 * math.log(BINS) - _gaussian().log_prob(x)
    noise = float(gap.std()) / math.sqrt(300)
    assert -3 * noise < float(gap.mean()) < 0.02 * 16 + 3 * noise
    assert noise < 0.05 * 16


def test_the_posterior_variance_costs_what_its_divergence_says() -> None:
    """Wide pixels have a reverse variance of about beta_t: 1/2 (r - 1 - log r) nats are lost by the other."""
    model = _gaussian(variance="posterior")
    t = torch.arange(2, 201)
    ratio = model.schedule.betas[t] / model.schedule.reverse_variance(t)
    expected = 16 * (0.5 * (ratio - 1 - ratio.log())).sum()
    x = _gaussian_images(200)
    gap = (_gaussian().log_prob(x) - model.log_prob(x)).mean()
    assert float(gap) == pytest.approx(float(expected), rel=0.15)


def test_the_stratified_estimate_agrees_with_all_terms_within_its_error() -> None:
    x = _gaussian_images(300)
    found, error = _gaussian(terms=25, noise_samples=4).estimate(x)
    assert error is not None
    z = (found - _gaussian().log_prob(x)) / error
    assert abs(float(z.mean())) < 0.4
    assert 0.7 < float(z.std()) < 2.5  # the whole has noise of its own


def test_a_stratified_sum_and_its_error() -> None:
    values = torch.tensor([[[1.0, 3.0], [4.0, 4.0]]])
    estimate, error = stratified(values, torch.tensor([1.0, 10.0]))
    assert estimate.tolist() == [42.0]
    assert error is not None
    assert error.tolist() == [1.0]  # the variance of 1 and 3 is 2, half of that for the mean of two
    single, unknown = stratified(values[:, :, :1], torch.tensor([1.0, 10.0]))
    assert single.tolist() == [41.0]
    assert unknown is None


def test_bins_of_a_gaussian_sum_to_one() -> None:
    for mean, std in ((0.0, 0.3), (0.9, 0.01), (-1.5, 0.5), (0.2, 1e-3)):
        mass = discretised_gaussian_log_mass(
            torch.arange(BINS), torch.tensor(mean).double(), torch.tensor(std).double()
        ).exp()
        assert float(mass.sum()) == pytest.approx(1, abs=1e-8)


def test_the_timestep_loss_is_the_squared_error_of_the_noise() -> None:
    """With a network that predicts no noise at all, the error is that of D standard normals."""

    class Nothing(nn.Module):
        def forward(self, noisy: Tensor, t: Tensor) -> Tensor:  # noqa: ARG002 - a denoiser is given t
            return torch.zeros_like(noisy)

    model = Diffusion(replace(TINY, evaluation="timestep", noise_samples=50), Nothing())
    assert model.bound == "surrogate"
    loss, error = model.estimate(_images())
    torch.testing.assert_close(-loss, torch.full((4,), 64.0), rtol=0, atol=6.0)
    # Chi-squared with 64 degrees of freedom has a variance of 128.
    assert error is not None
    torch.testing.assert_close(error, torch.full((4,), math.sqrt(128 / 50)), rtol=0.4, atol=0)


@pytest.mark.parametrize("evaluation", ["bound", "timestep"])
def test_images_do_not_depend_on_their_batch_and_are_not_changed(evaluation: str) -> None:
    model, x = _tiny(evaluation=evaluation), _images()
    whole, order = model.log_prob(x), torch.tensor([2, 0, 3, 1])
    assert torch.equal(x, _images())
    torch.testing.assert_close(model.log_prob(x[order]), whole[order], rtol=1e-5, atol=1e-3)
    torch.testing.assert_close(
        torch.cat([model.log_prob(one[None]) for one in x]), whole, rtol=1e-5, atol=1e-3
    )
    assert not torch.allclose(_tiny(evaluation=evaluation, noise_seed=1).log_prob(x), whole)


def test_noise_seeds_share_no_draw() -> None:
    """Otherwise the mean over several seeds would take most of its draws twice."""
    x, one = _images(), {"evaluation": "timestep", "noise_samples": 1}
    alone = [_tiny(**one, noise_seed=seed).log_prob(x) for seed in (0, 1)]
    together = _tiny(**{**one, "noise_samples": 2}).log_prob(x)
    assert not torch.allclose(together, (alone[0] + alone[1]) / 2)


def test_gradient_norms_of_the_u_net_agree_with_the_reference() -> None:
    model, x = _tiny(evaluation="timestep").double(), _images().double()
    found, expected = squared_gradient_norms(model, x, 2), reference_squared_norms(model, x, 2)
    assert set(found) == {name for name, _ in model.named_parameters()}
    for name in expected:
        torch.testing.assert_close(found[name], expected[name], rtol=1e-9, atol=1e-12)


def test_training_meets_every_timestep_and_fresh_noise_with_fresh_images() -> None:
    model, x = _tiny(), _images()
    losses = model.training_log_prob(x)
    assert losses.shape == (4,)
    assert (losses < 0).all()
    moved = x + 1e-4  # other dequantisation noise, mostly in the same bins
    assert not torch.allclose(model.training_log_prob(moved), losses)


@pytest.mark.parametrize("variance", ["forward", "posterior"])
def test_training_for_the_bound_weighs_errors_as_the_bound_does(variance: str) -> None:
    model = _gaussian(training="bound", variance=variance)
    found = -model.training_log_prob(_gaussian_images(20_000)).mean()
    t = torch.arange(1, model.config.timesteps + 1)
    signal, weights = model.schedule.signal[1:], model.schedule.error_weight(t)
    # The variance that the optimal denoiser leaves of the noise of one pixel.
    left = signal * STD**2 / (signal * STD**2 + 1 - signal)
    expected = 16 * (weights * left).sum() / weights.sum()
    torch.testing.assert_close(found, expected, rtol=0.03, atol=0.0)
    assert not math.isclose(float(16 * left.mean()), float(expected), rel_tol=0.2)


def test_samples_of_the_gaussian_model_are_gaussian() -> None:
    x = _gaussian().sample(500, torch.Generator().manual_seed(0))
    assert float((2 * x).std()) == pytest.approx(STD, rel=0.05)
    assert abs(float(x.mean())) < 0.01


def test_the_mean_of_a_reverse_step_is_kept_within_range_where_it_would_leave_it() -> None:
    schedule = _gaussian().schedule
    t = torch.tensor([1, 50, 200])
    images, noise = _gaussian_images(3) * 2, torch.randn(3, 1, 4, 4, dtype=torch.float64)
    noisy = schedule.noisy(images, noise, t)
    mean, kept = schedule.mean(noisy, noise, t), schedule.mean_within_range(noisy, noise, t)
    torch.testing.assert_close(kept, mean)
    far = schedule.noisy(torch.full_like(images, 9.0), noise, t)
    signal = schedule.signal[t][:, None, None, None]
    noise_around_white = (far - signal.sqrt()) / (1 - signal).sqrt()
    torch.testing.assert_close(
        schedule.mean_within_range(far, noise, t), schedule.mean(far, noise_around_white, t)
    )


def test_samples_are_reproducible() -> None:
    model = _tiny(timesteps=5, timestep=1, terms=2)
    draws = [model.sample(2, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)]
    assert draws[0].shape == (2, 1, 8, 8)
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"timestep": 1001}, "must be between 1 and 1000, the number of timesteps of this model, got 1001"),
        ({"timestep": 0}, "must be between 1 and 1000"),
        ({"noise_seed": -1}, "noise_seed must be at least 0"),
        ({"terms": 1001}, "terms must be between 2 and 1000"),
        ({"terms": 1}, "terms must be between 2 and 1000, or 0 for all, got 1"),
        ({"timesteps": 1, "timestep": 1, "terms": 0}, "timesteps must be at least 2, got 1"),
        ({"evaluation": "exact"}, "Unknown evaluation 'exact'; known are bound, timestep"),
        ({"training": "exact"}, "Unknown training 'exact'; known are simple, bound"),
        ({"channels": (8, 12)}, "multiples of 8"),
        ({"image_shape": (1, 9, 8)}, "divisible by 2"),
        ({"first_beta": 0.5, "last_beta": 0.1}, "must rise between 0 and 1"),
    ],
)
def test_bad_settings_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(TINY, **changes)
