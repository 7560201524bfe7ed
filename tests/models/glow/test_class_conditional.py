"""A Glow with classes behind the interface of all models, and made from one without."""

from __future__ import annotations

import logging
import math

import pytest
import torch
from torch import Tensor

from anomaly_methods.extractors.gradient_norms import reference_squared_norms, squared_gradient_norms
from anomaly_methods.extractors.likelihood import LikelihoodExtractor
from invglow.flows import GlowConfig
from invglow.training.likelihood_model import ClassConditionalModel
from models.base import GenerativeModel, MultiScaleModel
from models.glow import ClassConditionalGlow, Glow
from models.glow.family import build, condition
from models.registry import with_classes
from tests.properties import assert_batch_independent, random_images, randomize

CONFIG = GlowConfig((3, 8, 16), scales=3, steps_per_scale=1, hidden_channels=5, classes=4)
X = random_images(4, 3, 8, 16)


@pytest.fixture
def glow() -> ClassConditionalGlow:
    """A small Glow with random weights, and classes that differ."""
    torch.manual_seed(0)
    model = Glow.from_config(CONFIG).double()
    assert isinstance(model, ClassConditionalGlow)
    randomize(model)
    return model


def test_says_what_it_is(glow: ClassConditionalGlow) -> None:
    assert isinstance(glow, MultiScaleModel)
    assert isinstance(glow, ClassConditionalModel)
    assert (glow.classes, glow.scales, glow.bound) == (4, 3, "exact")
    assert isinstance(build(CONFIG.to_json()), ClassConditionalGlow)
    assert not isinstance(Glow.from_config(GlowConfig((3, 8, 16), 3, 1, 5)), ClassConditionalModel)


def test_shares_and_classes_make_the_same_likelihood(glow: ClassConditionalGlow) -> None:
    class_log_probs = glow.class_log_probs(X)
    assert class_log_probs.shape == (4, 4)
    mixture = class_log_probs.logsumexp(dim=1) - math.log(4)
    torch.testing.assert_close(glow.log_prob(X), mixture)
    torch.testing.assert_close(glow.scale_log_probs(X).sum(dim=1), mixture)
    values = LikelihoodExtractor()(glow, X)
    shares = torch.stack([values[f"log_prob.scale{scale}"] for scale in range(3)]).sum(dim=0)
    torch.testing.assert_close(shares, mixture.detach())


@pytest.mark.parametrize("group_size", [1, 2])
def test_gradient_norms_come_from_one_pass(
    glow: ClassConditionalGlow, group_size: int, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        found = squared_gradient_norms(glow.eval(), X, group_size)
    assert caplog.messages == []
    reference = reference_squared_norms(glow, X, group_size)
    torch.testing.assert_close(found, reference, rtol=1e-9, atol=1e-9)
    assert all(
        found[f"flow.scales.{s}.prior.{name}"].min() > 0 for s in range(3) for name in ("loc", "log_scale")
    )


def test_images_do_not_see_each_other(glow: ClassConditionalGlow) -> None:
    x = random_images(5, 3, 8, 16, dtype=torch.float32)
    assert_batch_independent(glow.float().scale_log_probs, x, tolerance=1e-4)


def test_sample_passes_labels_on(glow: ClassConditionalGlow) -> None:
    labels = torch.tensor([3, 0])
    x = glow.sample(2, torch.Generator().manual_seed(1), 0.5, labels)
    expected = glow.flow.sample(2, 0.5, torch.Generator().manual_seed(1), labels)  # type: ignore[call-arg]
    torch.testing.assert_close(x, expected)
    assert glow.sample(3).shape == (3, 3, 8, 16)


def test_made_from_a_trained_model_it_is_the_same_density() -> None:
    torch.manual_seed(0)
    plain = build(GlowConfig((3, 8, 16), 3, 1, 5).to_json()).double()
    randomize(plain)
    found = with_classes("glow", plain, 4)
    assert isinstance(found, ClassConditionalGlow)
    torch.testing.assert_close(found.log_prob(X), plain.log_prob(X))
    torch.testing.assert_close(found.scale_log_probs(X), plain.scale_log_probs(X))
    saved, body = found.state_dict(), plain.state_dict()
    assert saved.keys() == body.keys()
    assert {name for name in body if saved[name].shape != body[name].shape} == {
        f"flow.scales.{s}.prior.{name}" for s in range(3) for name in ("loc", "log_scale")
    }


@pytest.mark.parametrize(
    ("settings", "prior"),
    [
        ({"prior": "conditional"}, "ConditionalNormal"),
        ({"architecture": "local", "scales": 1}, "PatchNormal"),
    ],
)
def test_variants_that_have_no_classes_are_refused(settings: dict[str, object], prior: str) -> None:
    sizes = {"image_shape": (3, 8, 8), "scales": 2, "steps_per_scale": 1, "hidden_channels": 4}
    model = build({**sizes, **settings})
    with pytest.raises(
        ValueError, match=f"elementwise normal priors only, got {prior}: start from a convolutional or"
    ):
        condition(model, 4)


def test_a_model_that_is_no_glow_is_refused() -> None:
    class Other(GenerativeModel):
        def log_prob(self, x: Tensor) -> Tensor:
            return x.sum(dim=(1, 2, 3))

        def sample(
            self, n: int, generator: torch.Generator | None = None, temperature: float = 1.0
        ) -> Tensor:
            return temperature * torch.rand(n, 1, 1, 1, generator=generator)

    with pytest.raises(TypeError, match="Expected a Glow, got Other"):
        condition(Other(), 3)


def test_families_without_classes_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("models.glow.family.condition")
    with pytest.raises(ValueError, match="Models of the family 'glow' have no classes"):
        with_classes("glow", build(GlowConfig((1, 8, 8), 1, 1, 4).to_json()), 3)
