"""Glow behind the interface of all models."""

from __future__ import annotations

import pytest
import torch

from invglow.flows import GlowConfig
from models.base import MultiScaleModel
from models.glow import Glow
from tests.properties import assert_batch_independent, random_images, randomize


@pytest.fixture
def glow() -> Glow:
    """A small Glow with random weights."""
    torch.manual_seed(0)
    model = Glow.from_config(GlowConfig((3, 8, 16), scales=3, steps_per_scale=1, hidden_channels=5)).double()
    randomize(model)
    return model


def test_says_what_it_is(glow: Glow) -> None:
    assert isinstance(glow, MultiScaleModel)
    assert (glow.image_shape, glow.scales, glow.bound) == ((3, 8, 16), 3, "exact")


def test_terms_are_those_of_the_flow_finest_first(glow: Glow) -> None:
    x = random_images(4, 3, 8, 16)
    log_det, log_prior = glow.scale_terms(x)
    assert log_det.shape == log_prior.shape == (4, 3)
    for scale, output in enumerate(glow.flow(x)):
        torch.testing.assert_close(log_det[:, scale], output.log_det)
        torch.testing.assert_close(log_prior[:, scale], output.log_prior)
        torch.testing.assert_close(glow.scale_log_probs(x)[:, scale], output.log_prob)
    torch.testing.assert_close(glow.log_prob(x), glow.flow.log_prob(x))


def test_every_parameter_has_a_gradient(glow: Glow) -> None:
    x = random_images(4, 3, 8, 16).requires_grad_()
    inputs = dict(glow.named_parameters()) | {"input": x}
    gradients = torch.autograd.grad(glow.log_prob(x).sum(), list(inputs.values()))
    for name, gradient in zip(inputs, gradients, strict=True):
        assert gradient.isfinite().all()
        assert gradient.abs().max() > 0, f"{name} has no influence"


def test_images_do_not_see_each_other(glow: Glow) -> None:
    x = random_images(5, 3, 8, 16, dtype=torch.float32)
    assert_batch_independent(glow.float().scale_log_probs, x, tolerance=1e-5)


def test_sample_passes_generator_and_temperature_on(glow: Glow) -> None:
    def seeded() -> torch.Generator:
        return torch.Generator().manual_seed(1)

    x = glow.sample(4, seeded(), 0.5)
    assert x.shape == (4, 3, 8, 16)
    torch.testing.assert_close(x, glow.flow.sample(4, temperature=0.5, generator=seeded()))
    cold = glow.sample(2, temperature=0.0)
    torch.testing.assert_close(cold[0], cold[1])


def test_arguments_in_the_order_of_the_other_never_pass_silently(glow: Glow) -> None:
    """A flow takes the temperature first and a model the generator, so names are what to call them by."""
    with pytest.raises(TypeError):
        glow.flow.sample(2, torch.Generator())  # type: ignore[arg-type]
    with pytest.raises((TypeError, AttributeError)):
        glow.sample(2, 0.5)  # type: ignore[arg-type]


def test_wrong_images_are_refused(glow: Glow) -> None:
    for shape in ((2, 1, 8, 16), (2, 3, 16, 8), (3, 8, 16)):
        with pytest.raises(ValueError, match=r"takes images of shape \(B, 3, 8, 16\)"):
            glow.log_prob(random_images(*shape))
