"""Local patches, fully connected steps, conditional priors, and which half goes on: each of them exact."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from invglow.flows import (
    ConditionalNormal,
    ElementwiseNormal,
    FlowScale,
    GlowConfig,
    MultiScaleFlow,
    PatchNormal,
    build_glow,
    initialize,
)
from invglow.flows.dense import FlatLayout
from invglow.flows.patches import PatchLayout
from tests.invglow.flows.examples import small_glow
from tests.invglow.flows.test_density import assert_mean_is_one, gaussian_around
from tests.properties import (
    assert_batch_independent,
    assert_folded_equals_unfolded,
    assert_log_det_of_jacobian,
    assert_same_tensors,
    contents,
    jacobian,
    latents_and_log_det,
    random_images,
)

N = 20_000
LOCAL: dict[str, Any] = {"architecture": "local", "scales": 1, "patch_size": 4}
DENSE: dict[str, Any] = {"architecture": "dense", "mixing": "rotation"}
VARIANTS: dict[str, dict[str, Any]] = {
    "local": LOCAL,
    "local additive shuffle": {**LOCAL, "coupling": "additive", "mixing": "shuffle"},
    "dense": DENSE,
    "dense additive": {**DENSE, "coupling": "additive"},
    "dense shuffle keeps first": {**DENSE, "mixing": "shuffle", "keeps": "first"},
    "conditional": {"prior": "conditional"},
    "conditional additive keeps first": {"prior": "conditional", "keeps": "first", "coupling": "additive"},
    "keeps first": {"keeps": "first"},
    "classes keep first": {"classes": 3, "keeps": "first"},
}
every_variant = pytest.mark.parametrize("name", VARIANTS)


def variant(name: str, **settings: Any) -> MultiScaleFlow:
    """Return a small flow with random weights, on images of 8x4 unless set otherwise."""
    return small_glow(**{**VARIANTS[name], **settings})


@every_variant
def test_log_det_is_that_of_the_jacobian(name: str) -> None:
    assert_log_det_of_jacobian(latents_and_log_det(variant(name)), random_images(2, 3, 8, 4))


@every_variant
def test_inverse_undoes_forward(name: str) -> None:
    flow, x = variant(name), random_images(2, 3, 8, 4)
    back = flow.inverse([output.latent for output in flow(x)])
    torch.testing.assert_close(back, x, rtol=1e-9, atol=1e-9)


@every_variant
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 1e-4)])
def test_folded_equals_unfolded(name: str, dtype: torch.dtype, tolerance: float) -> None:
    assert_folded_equals_unfolded(
        variant(name, dtype=dtype), random_images(3, 3, 8, 4, dtype=dtype), tolerance
    )


@every_variant
def test_images_do_not_see_each_other_and_nothing_is_kept(name: str) -> None:
    flow = variant(name)
    before = contents(flow)
    assert_batch_independent(flow, random_images(4, 3, 8, 4), tolerance=1e-9)
    assert contents(flow) == before


@every_variant
def test_log_prob_is_the_sum_of_shares_and_shares_are_of_log_det_and_prior(name: str) -> None:
    flow, x = variant(name), random_images(3, 3, 8, 4)
    outputs = flow(x)
    torch.testing.assert_close(flow.log_prob(x), sum(o.log_det + o.log_prior for o in outputs))
    priors = flow.log_priors([output.latent for output in outputs])
    for output, prior in zip(outputs, priors, strict=True):
        torch.testing.assert_close(output.log_prior, prior)


@torch.no_grad()
@every_variant
def test_integrates_to_one(name: str) -> None:
    """E over x ~ q of p(x) / q(x) is the integral of p, for any density q that covers it."""
    flow = variant(name, image_shape=(1, 4, 4), noise=0.06)
    generator = torch.Generator().manual_seed(0)
    q = gaussian_around(flow.sample(N, generator=generator), widening=1.2)
    x = q.mean + torch.randn(N, 16, generator=generator).double() @ q.scale_tril.T
    assert_mean_is_one((flow.log_prob(x.view(N, 1, 4, 4)) - q.log_prob(x)).exp())


@torch.no_grad()
@every_variant
def test_samples_come_from_the_density(name: str) -> None:
    """E over x ~ p of q(x) / p(x) is the integral of q, which is one, if the samples have the density p."""
    flow = variant(name, image_shape=(1, 4, 4), noise=0.06)
    x = flow.sample(N, generator=torch.Generator().manual_seed(0))
    q = gaussian_around(x, widening=0.8)
    assert_mean_is_one((q.log_prob(x.flatten(1)) - flow.log_prob(x)).exp())


@every_variant
def test_same_seed_same_images_and_temperature_zero_one_image(name: str) -> None:
    flow = variant(name, noise=0.05)
    one, same, other = (flow.sample(3, generator=torch.Generator().manual_seed(s)) for s in (0, 0, 1))
    torch.testing.assert_close(one, same, rtol=1e-9, atol=1e-9)
    assert not torch.allclose(one, other)
    if "classes" not in name:
        cold = flow.sample(2, temperature=0.0)
        torch.testing.assert_close(cold[0], cold[1])


@every_variant
def test_initialisation_standardises_every_latent(name: str) -> None:
    flow = variant(name, image_shape=(3, 8, 8))
    x = random_images(64, 3, 8, 8).square()
    before = flow.log_prob(x).mean()
    initialize(flow, x)
    assert flow.log_prob(x).mean() > before
    for scale, output in zip(flow.scales, flow(x), strict=True):
        assert_fitted(scale, output.latent, output.log_prior)


def assert_fitted(scale: FlowScale, latent: Tensor, log_prior: Tensor) -> None:
    """The mean log-density of a fitted normal is its negative entropy, where nothing was constant."""
    dimensions = (0, 2, 3) if isinstance(scale.prior, ConditionalNormal) else (0,)
    repeats = 1
    if isinstance(scale.prior, PatchNormal):
        latent = scale.prior.layout.enter(latent)
        repeats = scale.prior.layout.count
    if isinstance(scale.prior, ConditionalNormal):
        repeats = latent.shape[2] * latent.shape[3]
    std = latent.std(dim=dimensions, correction=0)
    entropy = repeats * (std.log() + 0.5 * math.log(2 * math.pi * math.e)).sum()
    torch.testing.assert_close(log_prior.mean(), -entropy)


@every_variant
def test_state_dict_holds_everything(name: str) -> None:
    flow, other = (variant(name, seed=seed) for seed in (0, 1))
    x = random_images(2, 3, 8, 4)
    assert not torch.allclose(flow.log_prob(x), other.log_prob(x))
    other.load_state_dict(flow.state_dict())
    assert_same_tensors(other(x), flow(x))


# --- local patches --------------------------------------------------------------------------------


def test_patches_are_those_of_unfold_row_by_row() -> None:
    x, layout = random_images(2, 3, 12, 8), PatchLayout(side=4, rows=3, columns=2)
    columns = F.unfold(x, kernel_size=4, stride=4)  # (B, C * 4 * 4, P)
    expected = columns.transpose(1, 2).reshape(2 * 6, 3, 4, 4)
    assert torch.equal(layout.enter(x), expected)
    assert torch.equal(layout.leave(expected), x)


def test_a_local_flow_is_a_flow_on_each_patch() -> None:
    """Against the flow of one patch, with the same weights, patch after patch."""
    flow = small_glow(**LOCAL, image_shape=(3, 12, 8))
    alone = small_glow(image_shape=(3, 4, 4), scales=1)
    state = {name.replace("prior.patch.", "prior."): value for name, value in flow.state_dict().items()}
    alone.load_state_dict(state)
    x = random_images(2, 3, 12, 8)
    patches = [x[:, :, i : i + 4, j : j + 4] for i in range(0, 12, 4) for j in range(0, 8, 4)]
    expected = torch.stack([alone.log_prob(patch) for patch in patches]).sum(dim=0)
    torch.testing.assert_close(flow.log_prob(x), expected)
    (output,) = flow(x)
    torch.testing.assert_close(output.latent[:, :, 4:6, 2:4], alone(patches[5])[0].latent)


def test_patches_do_not_see_each_other() -> None:
    flow, x = small_glow(**LOCAL), random_images(1, 3, 8, 4).requires_grad_()
    (gradient,) = torch.autograd.grad(flow(x)[0].latent[:, :, 0, 0].sum(), x)
    assert gradient[:, :, :4].abs().max() > 0
    assert torch.equal(gradient[:, :, 4:], torch.zeros_like(gradient[:, :, 4:]))


# --- fully connected ------------------------------------------------------------------------------


def test_features_are_flattened_by_channel_row_and_column() -> None:
    features = random_images(2, 3, 4, 5).contiguous(memory_format=torch.channels_last)
    layout = FlatLayout((3, 4, 5))
    rows = layout.enter(features)
    assert torch.equal(rows[:, 1 * 20 + 2 * 5 + 3, 0, 0], features[:, 1, 2, 3])
    assert torch.equal(layout.leave(rows), features)


def test_one_step_of_a_dense_flow_moves_everything() -> None:
    flow = small_glow(**DENSE, scales=1, steps_per_scale=1, image_shape=(1, 4, 4))
    rows = jacobian(latents_and_log_det(flow), random_images(1, 1, 4, 4)[0])
    assert (rows.abs() > 1e-12).all()


# --- conditional priors ---------------------------------------------------------------------------


def test_share_of_a_conditional_scale_is_the_normal_that_the_convolution_says() -> None:
    flow = small_glow(prior="conditional", keeps="first", scales=3, image_shape=(1, 8, 16))
    x = features = random_images(2, 1, 8, 16)
    for scale, output in zip(flow.scales, flow(x), strict=True):
        features, log_det = scale(features)
        torch.testing.assert_close(output.log_det, log_det)
        if isinstance(scale.prior, ElementwiseNormal):
            break
        assert isinstance(scale.prior, ConditionalNormal)
        features, latent = features.chunk(2, dim=1)
        torch.testing.assert_close(output.latent, latent)
        raw = F.conv2d(features, scale.prior.conv.weight, scale.prior.bias, padding=1)
        raw = raw * (3 * scale.prior.log_scale).exp()[:, None, None]
        normal = torch.distributions.Normal(raw[:, 0::2], raw[:, 1::2].exp())
        torch.testing.assert_close(output.log_prior, normal.log_prob(latent).sum(dim=(1, 2, 3)))
    torch.testing.assert_close(output.log_prior, flow.scales[-1].prior.log_prob(features))


def test_a_fresh_conditional_prior_is_a_standard_normal() -> None:
    prior = ConditionalNormal((3, 2, 4)).double()
    latent, given = random_images(5, 3, 2, 4), random_images(5, 3, 2, 4, seed=1)
    normal = torch.distributions.Normal(0, 1)
    torch.testing.assert_close(prior.log_prob(latent, given), normal.log_prob(latent).sum(dim=(1, 2, 3)))
    with pytest.raises(ValueError, match="only given the features that go on"):
        prior.log_prob(latent)


# --- settings -------------------------------------------------------------------------------------


@every_variant
def test_json_gives_the_same_settings_back(name: str) -> None:
    config = GlowConfig(**{"scales": 2, **VARIANTS[name]})
    assert GlowConfig(**config.to_json()) == config


def test_settings_of_earlier_runs_are_written_as_they_were() -> None:
    assert set(GlowConfig().to_json()) == {
        *("image_shape", "scales", "steps_per_scale", "hidden_channels", "mixing", "coupling")
    }


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (
            {"architecture": "global"},
            r"^Unknown architecture 'global'; known are convolutional, local, dense",
        ),
        ({"architecture": "local"}, r"^The local architecture has one scale, got 3: set scales to 1\.$"),
        ({"architecture": "local", "scales": 1, "patch_size": 5}, r"^patch_size must be even.*got 5\.$"),
        ({"architecture": "local", "scales": 1, "patch_size": 0}, r"^patch_size must be even.*got 0\.$"),
        (
            {"architecture": "local", "scales": 1, "patch_size": 6},
            r"^With patches of 6x6 pixels the image sides must be divisible by 6, got 32x32: choose another",
        ),
        (
            {"architecture": "dense"},
            r"^The dense architecture mixes by rotation, shuffle, identity, got 'lu'",
        ),
        ({"prior": "flat"}, r"^Unknown prior 'flat'; known are elementwise, conditional\.$"),
        ({"keeps": "third"}, r"^Unknown half that goes on 'third'; known are second, first\.$"),
        ({"prior": "conditional", "classes": 3}, r"^Conditional priors are for the convolutional"),
        ({"prior": "conditional", **DENSE}, r"^Conditional priors are for the convolutional"),
        (
            {"classes": 3, **LOCAL},
            r"^Classes are for the convolutional and dense architectures, got local\.$",
        ),
    ],
)
def test_settings_that_exclude_each_other_are_refused(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        GlowConfig(**settings)


def test_a_dense_flow_of_the_paper_can_be_built() -> None:
    """3072 features in the first scale: in a second or so, not in the minutes of QR decompositions."""
    config = GlowConfig(**DENSE, steps_per_scale=1, hidden_channels=16)
    assert build_glow(config).log_prob(random_images(1, 3, 32, 32).float()).isfinite().all()
