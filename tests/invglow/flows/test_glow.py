"""A whole small Glow, every variant: exact likelihoods, shares, inverse, folding, no state."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from invglow.flows import MultiScaleFlow
from tests.invglow.flows.examples import VARIANTS, small_glow
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

every_variant = pytest.mark.parametrize(("mixing", "coupling"), VARIANTS)
# (colours, scales, height and width in units of the last scale's pixels, steps, hidden channels, batch, seed)
sizes = st.tuples(st.sampled_from([1, 3]), *(st.integers(1, 2) for _ in range(4)), *[st.integers(1, 3)] * 3)


def drawn_glow(size: tuple[int, ...]) -> tuple[MultiScaleFlow, torch.Tensor]:
    """Return a Glow of drawn sizes, and images for it."""
    colours, scales, height, width, steps, hidden, batch, seed = size
    shape = (colours, height * 2**scales, width * 2**scales)
    flow = small_glow(
        image_shape=shape, scales=scales, steps_per_scale=steps, hidden_channels=hidden, seed=seed
    )
    return flow, random_images(batch, *shape, seed=seed)


def round_trip(flow: MultiScaleFlow, x: torch.Tensor) -> torch.Tensor:
    """Return what comes back from the latents of `x`."""
    return flow.inverse([output.latent for output in flow(x)])


@every_variant
@pytest.mark.parametrize("image_shape", [(3, 8, 4), (1, 4, 12)])
def test_log_det_is_that_of_the_jacobian(
    mixing: str, coupling: str, image_shape: tuple[int, int, int]
) -> None:
    flow = small_glow(mixing=mixing, coupling=coupling, image_shape=image_shape)
    assert_log_det_of_jacobian(latents_and_log_det(flow), random_images(2, *image_shape))


@settings(max_examples=20, deadline=None)
@given(size=sizes)
def test_log_prob_is_the_change_of_variables_formula(size: tuple[int, ...]) -> None:
    """The density of the standardised latents times |det| of the whole map, from nothing but the latents."""
    flow, x = drawn_glow(size)

    def standardised(images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        parts = [
            ((output.latent + scale.prior.loc) * scale.prior.log_scale.exp()).flatten(1)
            for output, scale in zip(flow(images), flow.scales, strict=True)
        ]
        return torch.cat(parts, dim=1), images.new_zeros(len(images))

    z, _ = standardised(x)
    log_dets = torch.stack([torch.linalg.slogdet(jacobian(standardised, image))[1] for image in x])
    log_normal = -0.5 * (z.square() + math.log(2 * math.pi)).sum(dim=1)
    torch.testing.assert_close(flow.log_prob(x), log_normal + log_dets, rtol=1e-9, atol=1e-9)


@every_variant
def test_shares_sum_to_the_total(mixing: str, coupling: str) -> None:
    flow = small_glow(mixing=mixing, coupling=coupling)
    x = random_images(3, 3, 8, 4)
    outputs = flow(x)
    parts = [output.log_det + output.log_prior for output in outputs]
    torch.testing.assert_close(outputs[0].log_prob, parts[0], rtol=0, atol=0)
    torch.testing.assert_close(flow.log_prob(x), parts[0] + parts[1])


def test_share_of_a_scale_is_its_own_log_det_and_its_own_prior() -> None:
    """Eq. 3 of the paper: nothing of another scale, nothing halved."""
    flow = small_glow(scales=3, image_shape=(1, 8, 16))
    x = features = random_images(2, 1, 8, 16)
    for scale, output in zip(flow.scales, flow(x), strict=True):
        assert_log_det_of_jacobian(scale, features)
        features, log_det = scale(features)
        latent = output.latent
        torch.testing.assert_close(features[:, : latent.shape[1]], latent)
        torch.testing.assert_close(output.log_det, log_det)
        normal = torch.distributions.Normal(-scale.prior.loc, (-scale.prior.log_scale).exp())
        torch.testing.assert_close(output.log_prior, normal.log_prob(latent).sum(dim=(1, 2, 3)))
        features = features[:, latent.shape[1] :]


@settings(max_examples=20, deadline=None)
@given(size=sizes)
def test_round_trip_of_any_size(size: tuple[int, ...]) -> None:
    flow, x = drawn_glow(size)
    torch.testing.assert_close(round_trip(flow, x), x, rtol=1e-9, atol=1e-9)


@every_variant
def test_round_trip_of_every_variant(mixing: str, coupling: str) -> None:
    flow = small_glow(mixing=mixing, coupling=coupling)
    x = random_images(2, 3, 8, 4)
    torch.testing.assert_close(round_trip(flow, x), x, rtol=1e-9, atol=1e-9)


@every_variant
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 1e-4)])
def test_folded_equals_unfolded(mixing: str, coupling: str, dtype: torch.dtype, tolerance: float) -> None:
    flow = small_glow(mixing=mixing, coupling=coupling, dtype=dtype)
    assert_folded_equals_unfolded(flow, random_images(3, 3, 8, 4, dtype=dtype), tolerance)


@pytest.mark.parametrize("scale", [0, 1])
def test_one_folded_scale_equals_the_unfolded_one(scale: int) -> None:
    flow = small_glow()
    x = random_images(2, 3, 8, 4) if scale == 0 else random_images(2, 6, 4, 2)
    assert_folded_equals_unfolded(flow.scales[scale], x, 1e-9)


def test_layout_in_memory_does_not_matter() -> None:
    flow = small_glow()
    x = random_images(3, 3, 8, 4)
    expected = flow.log_prob(x)
    flow = flow.to(memory_format=torch.channels_last)
    for layout in (torch.contiguous_format, torch.channels_last):
        torch.testing.assert_close(flow.log_prob(x.contiguous(memory_format=layout)), expected)


def test_gradient_of_the_input_is_that_of_finite_differences() -> None:
    flow = small_glow(steps_per_scale=1, image_shape=(1, 4, 4))
    x = random_images(1, 1, 4, 4).requires_grad_()
    torch.autograd.gradcheck(flow.log_prob, (x,))


@every_variant
def test_images_do_not_see_each_other(mixing: str, coupling: str) -> None:
    flow = small_glow(mixing=mixing, coupling=coupling, dtype=torch.float32)
    x = random_images(5, 3, 8, 4, dtype=torch.float32)
    assert_batch_independent(flow, x, tolerance=1e-5)
    assert_batch_independent(flow.log_prob, x, tolerance=1e-5)


def test_nothing_is_kept_between_calls() -> None:
    flow = small_glow()
    x, other = random_images(3, 3, 8, 4), random_images(2, 3, 8, 4, seed=1)
    before, first = contents(flow), flow(x)
    flow(other)
    flow.sample(2, generator=torch.Generator().manual_seed(0))
    assert_same_tensors(flow(x), first)
    assert contents(flow) == before


def test_an_exception_in_one_batch_does_not_reach_the_next() -> None:
    flow = small_glow()
    x = random_images(3, 3, 8, 4)
    before, first = contents(flow), flow(x)
    hook = flow.scales[1].steps[1].coupling.network.register_forward_hook(_fail)
    for call in (flow.forward, flow.log_prob):
        with pytest.raises(RuntimeError, match="out of memory"):
            call(random_images(3, 3, 8, 4, seed=1))
    hook.remove()
    assert_same_tensors(flow(x), first)
    assert contents(flow) == before


def test_state_dict_holds_everything() -> None:
    for mixing, coupling in VARIANTS:
        flow, other = (small_glow(mixing=mixing, coupling=coupling, seed=seed) for seed in (0, 1))
        x = random_images(2, 3, 8, 4)
        assert not torch.allclose(flow.log_prob(x), other.log_prob(x))
        other.load_state_dict(flow.state_dict())
        assert_same_tensors(other(x), flow(x))


def test_fresh_weights_depend_on_the_seed_alone() -> None:
    one, same, other = (contents_of_fresh_glow(seed) for seed in (0, 0, 1))
    assert one == same != other


def contents_of_fresh_glow(seed: int) -> list[list[float]]:
    """Return the parameters of a fresh Glow."""
    return [parameter.flatten().tolist() for parameter in small_glow(seed=seed, noise=0).parameters()]


def _fail(*_: object) -> None:
    raise RuntimeError("out of memory")
