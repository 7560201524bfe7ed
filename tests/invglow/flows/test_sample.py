"""Sampling: shapes, seeds, temperature."""

from __future__ import annotations

import math

import pytest
import torch

from invglow.flows.drawing import open_uniform
from tests.invglow.flows.examples import small_glow


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_samples_are_images(dtype: torch.dtype) -> None:
    x = small_glow(dtype=dtype).sample(5)
    assert x.shape == (5, 3, 8, 4)
    assert x.dtype == dtype
    assert x.isfinite().all()
    assert not x.requires_grad


def test_same_seed_gives_the_same_images() -> None:
    flow = small_glow()
    assert torch.equal(flow.sample(4, generator=seeded(3)), flow.sample(4, generator=seeded(3)))
    assert not torch.allclose(flow.sample(4, generator=seeded(3)), flow.sample(4, generator=seeded(4)))


def test_own_generator_leaves_the_global_one_alone() -> None:
    flow = small_glow()
    before = torch.get_rng_state()
    flow.sample(4, generator=seeded(0))
    assert torch.equal(torch.get_rng_state(), before)


def test_temperature_0_gives_the_image_of_the_most_likely_latents() -> None:
    flow = small_glow()
    x = flow.sample(3, temperature=0.0)
    mode = flow.inverse([-scale.prior.loc[None] for scale in flow.scales])
    torch.testing.assert_close(x, mode.expand(3, -1, -1, -1))


@pytest.mark.parametrize("temperature", [1.0, 0.3])
def test_fresh_flow_of_rotations_gives_normal_noise(temperature: float) -> None:
    """Additive couplings that add zero, between rotations: N(0, I) goes to N(0, I)."""
    flow = small_glow(noise=0, mixing="rotation", coupling="additive", image_shape=(1, 4, 4))
    n = 20_000
    x = flow.sample(n, temperature, seeded(0)).flatten(1) / temperature
    assert x.mean(dim=0).abs().max() < 4.5 / n**0.5
    assert (torch.cov(x.T) - torch.eye(16)).abs().max() < 4.5 * (2 / n) ** 0.5
    assert abs(x.pow(4).mean() - 3) < 4.5 * (96 / x.numel()) ** 0.5


@pytest.mark.parametrize(("n", "temperature"), [(0, 1.0), (-1, 1.0), (2, -0.5), (2, math.nan), (2, math.inf)])
def test_senseless_numbers_are_refused(n: int, temperature: float) -> None:
    with pytest.raises(ValueError, match=r"n >= 1 and temperature >= 0, got"):
        small_glow().sample(n, temperature)


def test_uniform_noise_has_finite_logits_even_where_zero_was_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """A generator draws 0 once in 2^24 numbers: one sample in some thousands would hold it."""
    drawn = torch.tensor([0.0, 0.25, 1 - 2**-24])
    monkeypatch.setattr(torch, "rand", lambda *_, **__: drawn)
    found = open_uniform((3,), torch.zeros(1), None)
    assert found.logit().isfinite().all()
    assert (-(-found.log()).log()).isfinite().all()  # as of a Gumbel law
    assert found[1] == 0.25
