"""A flow with a density of the latents for each class: exact in every part, and drawn from as it says."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from invglow.flows import (
    ClassConditionalFlow,
    ClassNormals,
    FlowScale,
    GlowConfig,
    MultiScaleFlow,
    build_glow,
    initialize,
)
from tests.invglow.flows.examples import small_glow
from tests.properties import (
    assert_batch_independent,
    assert_folded_equals_unfolded,
    assert_log_det_of_jacobian,
    latents_and_log_det,
    random_images,
    randomize,
)

N = 20_000


def conditional_glow(*, classes: int = 3, spread: float = 0.3, **settings: Any) -> ClassConditionalFlow:
    """Return a small Glow with random weights, whose classes differ."""
    flow = small_glow(classes=classes, **settings)
    assert isinstance(flow, ClassConditionalFlow)
    for scale in flow.scales:
        randomize(scale.prior, seed=5, scale=spread)
    return flow


def normals(classes: int, *shape: int) -> ClassNormals:
    prior = ClassNormals(classes, shape).double()
    randomize(prior, seed=2, scale=0.4)
    return prior


# --- the prior of one scale ---------------------------------------------------------------------


def test_classes_are_products_of_normals_and_together_their_mixture() -> None:
    prior, latent = normals(4, 3, 2, 5), random_images(6, 3, 2, 5)
    found = prior.class_log_probs(latent)
    assert found.shape == (6, 4)
    for y in range(4):
        normal = torch.distributions.Normal(-prior.loc[y], (-prior.log_scale[y]).exp())
        torch.testing.assert_close(found[:, y], normal.log_prob(latent).sum(dim=(1, 2, 3)))
    torch.testing.assert_close(prior.log_prob(latent), found.exp().mean(dim=1).log())


def test_integrates_to_one_on_a_grid() -> None:
    prior, axis = normals(3, 2, 1, 1), torch.linspace(-20, 20, 401, dtype=torch.float64)
    grid = torch.cartesian_prod(axis, axis).view(-1, 2, 1, 1)
    density = prior.log_prob(grid).exp().view(401, 401).detach()
    integral = torch.trapezoid(torch.trapezoid(density, axis), axis)
    torch.testing.assert_close(integral, torch.ones((), dtype=torch.float64), rtol=0, atol=1e-9)


def test_samples_of_a_class_have_its_mean_and_the_temperature_times_its_scale() -> None:
    prior, temperature = normals(3, 2, 1, 2), 0.7
    labels = torch.arange(3).repeat(N)
    latents = prior.sample_classes(labels, temperature, torch.Generator().manual_seed(0)).detach()
    for y in range(3):
        std = temperature * (-prior.log_scale[y]).exp().detach()
        mine = latents[labels == y]
        assert ((mine.mean(dim=0) + prior.loc[y].detach()) / (std / math.sqrt(N))).abs().max() < 4.5
        assert ((mine.std(dim=0) / std - 1).abs() * math.sqrt(2 * N)).max() < 4.5


def test_drawn_without_a_class_each_is_as_likely() -> None:
    prior = ClassNormals(4, (1, 1, 1)).double()
    prior.loc.data[:, 0, 0, 0] = torch.tensor([-100.0, -200.0, -300.0, -400.0])
    latents = prior.sample(N, generator=torch.Generator().manual_seed(0)).detach()
    counts = torch.bincount((latents.flatten() / 100).round().long())[1:]
    expected, deviation = N / 4, math.sqrt(N * 0.25 * 0.75)
    assert ((counts - expected).abs() < 4.5 * deviation).all()


# --- the whole flow -----------------------------------------------------------------------------


def test_log_det_is_that_of_the_jacobian() -> None:
    flow = conditional_glow(image_shape=(2, 4, 4))
    assert_log_det_of_jacobian(latents_and_log_det(flow), random_images(2, 2, 4, 4))


def test_log_prob_is_the_mixture_of_the_classes() -> None:
    flow, x = conditional_glow(), random_images(5, 3, 8, 4)
    class_log_probs = flow.class_log_probs(x)
    assert class_log_probs.shape == (5, 3)
    assert (class_log_probs.std(dim=1) > 0.1).all()
    torch.testing.assert_close(flow.log_prob(x), class_log_probs.logsumexp(dim=1) - math.log(3))


def test_a_class_has_the_density_of_the_flow_with_its_prior() -> None:
    flow, x = conditional_glow(), random_images(5, 3, 8, 4)
    alone = small_glow()
    weights = flow.state_dict()
    for y in range(3):
        mine = {name: w[y] if ".prior." in name else w for name, w in weights.items()}
        alone.load_state_dict(mine)
        torch.testing.assert_close(flow.class_log_probs(x)[:, y], alone.log_prob(x))


def evidence(flow: ClassConditionalFlow, x: Tensor, first: int) -> Tensor:
    """Return log p of the latents of the scales from `first` on, by its definition."""
    latents, _ = flow.latents(x)
    total = torch.zeros(len(x), flow.classes, dtype=x.dtype)
    for scale, latent in list(zip(flow.scales, latents, strict=True))[first:]:
        assert isinstance(scale.prior, ClassNormals)
        total = total + scale.prior.class_log_probs(latent)
    return total.exp().mean(dim=1).log()


def test_shares_follow_the_chain_rule_from_the_coarsest_scale_on() -> None:
    flow = conditional_glow(image_shape=(1, 8, 8), scales=3, spread=0.1)
    x = random_images(4, 1, 8, 8)
    outputs = flow(x)
    for s, output in enumerate(outputs):
        expected = evidence(flow, x, s) - (evidence(flow, x, s + 1) if s < 2 else 0)
        torch.testing.assert_close(output.log_prior, expected)
    torch.testing.assert_close(torch.stack([o.log_prob for o in outputs]).sum(dim=0), flow.log_prob(x))


def test_shares_are_not_those_of_scales_that_know_nothing_of_each_other() -> None:
    flow, x = conditional_glow(spread=0.5), random_images(4, 3, 8, 4)
    fine, coarse = flow(x)
    torch.testing.assert_close(coarse.log_prior, flow.scales[1].prior.log_prob(coarse.latent))
    assert ((fine.log_prior - flow.scales[0].prior.log_prob(fine.latent)).abs() > 1e-3).all()


@torch.no_grad()
@pytest.mark.parametrize(("image_shape", "scales"), [((1, 2, 2), 1), ((1, 4, 4), 2)])
def test_integrates_to_one(image_shape: tuple[int, int, int], scales: int) -> None:
    """E over x ~ q of p(x) / q(x) is the integral of p, for any density q that covers it."""
    flow = conditional_glow(image_shape=image_shape, scales=scales)
    generator = torch.Generator().manual_seed(0)
    flat = flow.sample(N, generator=generator).flatten(1)
    q = torch.distributions.MultivariateNormal(flat.mean(dim=0), 1.3 * torch.cov(flat.T))
    x = q.mean + torch.randn(N, len(q.mean), generator=generator).double() @ q.scale_tril.T
    assert_mean_is_one((flow.log_prob(x.view(N, *image_shape)) - q.log_prob(x)).exp())


@torch.no_grad()
@pytest.mark.parametrize("label", [None, 2])
def test_samples_come_from_the_density(label: int | None) -> None:
    """E over x ~ p of q(x) / p(x) is the integral of q, which is one, if the samples have the density p."""
    flow = conditional_glow(image_shape=(1, 4, 4))
    labels = None if label is None else torch.full((N,), label)
    x = flow.sample(N, generator=torch.Generator().manual_seed(0), labels=labels)
    flat = x.flatten(1)
    q = torch.distributions.MultivariateNormal(flat.mean(dim=0), 0.7 * torch.cov(flat.T))
    p = flow.log_prob(x) if label is None else flow.class_log_probs(x)[:, label]
    assert_mean_is_one((q.log_prob(flat) - p).exp())


def assert_mean_is_one(ratios: Tensor) -> None:
    """Within 4 standard errors, which must be small enough to see a mistake."""
    standard_error = ratios.std() / len(ratios) ** 0.5
    assert standard_error < 0.03
    assert (ratios.mean() - 1).abs() < 4 * standard_error


def test_samples_without_noise_are_the_inverse_of_the_means() -> None:
    flow = conditional_glow()
    labels = torch.tensor([2, 0, 1])
    x = flow.sample(3, temperature=0.0, labels=labels)
    torch.testing.assert_close(x, flow.inverse([-scale.prior.loc[labels] for scale in flow.scales]))
    latents, _ = flow.latents(x)
    for scale, latent in zip(flow.scales, latents, strict=True):
        torch.testing.assert_close(latent, -scale.prior.loc[labels])


def test_the_generator_names_classes_and_noise() -> None:
    flow = conditional_glow()
    one, same, other = (flow.sample(4, generator=torch.Generator().manual_seed(s)) for s in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [
        ([0, 1], r"Sampling 3 images takes as many labels, got shape \(2,\)"),
        ([0, 1, 3], "must be from 0 to 2, got some from 0 to 3"),
        ([0, -1, 2], "must be from 0 to 2, got some from -1 to 2"),
    ],
)
def test_labels_that_are_too_few_or_of_no_class_are_refused(labels: list[int], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        conditional_glow().sample(3, labels=torch.tensor(labels))


def test_folded_equals_unfolded() -> None:
    assert_folded_equals_unfolded(conditional_glow(), random_images(3, 3, 8, 4), tolerance=1e-9)


def test_images_do_not_see_each_other() -> None:
    flow = conditional_glow(dtype=torch.float32)
    assert_batch_independent(flow.class_log_probs, random_images(5, 3, 8, 4, dtype=torch.float32), 1e-4)


def test_a_class_far_away_changes_nothing_and_overflows_nowhere() -> None:
    flow, x = conditional_glow(classes=2, dtype=torch.float32), random_images(3, 3, 8, 4, dtype=torch.float32)
    with torch.no_grad():
        for scale in flow.scales:
            scale.prior.loc[1] = 1e4
    shares = torch.stack([output.log_prob for output in flow(x)])
    assert shares.isfinite().all()
    torch.testing.assert_close(shares.sum(dim=0), flow.class_log_probs(x)[:, 0] - math.log(2))


# --- where it comes from ------------------------------------------------------------------------


def test_made_from_a_flow_every_class_starts_with_its_density() -> None:
    flow, x = small_glow(), random_images(4, 3, 8, 4)
    conditional = ClassConditionalFlow.from_flow(flow, 5)
    torch.testing.assert_close(conditional.class_log_probs(x), flow.log_prob(x)[:, None].expand(4, 5))
    for mine, its in zip(conditional(x), flow(x), strict=True):
        torch.testing.assert_close(mine.log_prob, its.log_prob)
    before = flow.log_prob(x)
    randomize(conditional)
    assert torch.equal(flow.log_prob(x), before)
    with pytest.raises(ValueError, match=r"elementwise normal priors only, got ClassNormals"):
        ClassConditionalFlow.from_flow(conditional, 5)


def test_built_with_classes_it_has_the_body_of_one_without() -> None:
    flow = build_glow(GlowConfig((1, 8, 8), 2, 1, 4, classes=3))
    assert isinstance(flow, ClassConditionalFlow)
    assert flow.classes == 3
    assert [scale.prior.loc.shape for scale in flow.scales] == [(3, 2, 4, 4), (3, 8, 2, 2)]
    names = set(build_glow(GlowConfig((1, 8, 8), 2, 1, 4)).state_dict())
    assert set(flow.state_dict()) == names


def test_initialising_standardises_the_latents_for_every_class() -> None:
    torch.manual_seed(0)
    flow = build_glow(GlowConfig((1, 8, 8), 2, 1, 4, classes=2)).double()
    x = random_images(64, 1, 8, 8)
    initialize(flow, x)
    for scale, output in zip(flow.scales, flow(x), strict=True):
        for y in range(2):
            standard = (output.latent + scale.prior.loc[y]) * scale.prior.log_scale[y].exp()
            torch.testing.assert_close(standard.mean(dim=0), torch.zeros_like(standard[0]))


def test_scales_must_agree_on_the_classes() -> None:
    def scale(prior: ClassNormals) -> FlowScale:
        return FlowScale([], prior)

    two, three = (scale(ClassNormals(classes, (2, 4, 4))) for classes in (2, 3))
    with pytest.raises(ValueError, match=r"a prior for the same number of classes, got \{2, 3\}"):
        ClassConditionalFlow([two, three], (1, 8, 8))
    plain: MultiScaleFlow = small_glow()
    with pytest.raises(ValueError, match="must have a prior for the same number of classes"):
        ClassConditionalFlow(plain.scales, plain.image_shape)


@pytest.mark.parametrize("classes", [1, -1])
def test_one_class_is_no_class(classes: int) -> None:
    with pytest.raises(ValueError, match=f"classes must be 0 .* or at least 2, got {classes}"):
        GlowConfig(classes=classes)


def test_settings_from_before_there_were_classes_are_read() -> None:
    assert "classes" not in GlowConfig().to_json()
    for config in (GlowConfig(), GlowConfig(classes=10)):
        assert GlowConfig(**config.to_json()) == config
