"""What the benchmark compares is the same function, computed in another way."""

from __future__ import annotations

import pytest
import torch

from benchmarks.contestants import build, check_equal, glow_config, random_images, trained_like
from benchmarks.plain_glow import PlainGlow
from invglow.flows import GlowConfig, build_glow

CONFIG = glow_config(8, steps_per_scale=2)


def test_plain_glow_is_the_same_function_with_the_same_gradients() -> None:
    flow = trained_like(CONFIG).double()
    plain = PlainGlow(flow)
    x = random_images(CONFIG, 3, seed=1).double()
    torch.testing.assert_close(plain.log_prob(x), flow.log_prob(x))
    plain_x, flow_x = x.clone().requires_grad_(), x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(plain.log_prob(plain_x).sum(), plain_x)
    (expected,) = torch.autograd.grad(flow.log_prob(flow_x).sum(), flow_x)
    torch.testing.assert_close(gradient, expected)


def test_plain_glow_trains_the_same_parameters() -> None:
    flow = trained_like(CONFIG)
    sizes = sorted(parameter.numel() for parameter in flow.parameters())
    assert sorted(parameter.numel() for parameter in PlainGlow(flow).parameters()) == sizes


def test_no_parameter_is_at_its_neutral_start() -> None:
    assert all(bool((parameter != 0).any()) for parameter in trained_like(CONFIG).parameters())


def test_other_flows_are_refused() -> None:
    flow = build_glow(GlowConfig((3, 8, 8), 1, 1, 4, coupling="additive"))
    with pytest.raises(ValueError, match="affine couplings only, got LUConv1x1 and AdditiveCoupling"):
        PlainGlow(flow)


def test_a_difference_is_found() -> None:
    ours, plain = build("ours", CONFIG), build("plain", CONFIG)
    x = random_images(CONFIG, 2)
    assert check_equal(ours, plain, x) < 1e-5
    with torch.no_grad():
        next(plain.model.parameters()).add_(0.1)
    with pytest.raises(RuntimeError, match="ours and plain differ by"):
        check_equal(ours, plain, x)


def test_normflows_is_built_at_the_same_size() -> None:
    pytest.importorskip("normflows", reason="installed by the extra `benchmark` only")
    normflows = build("normflows", CONFIG)
    x = random_images(CONFIG, 2)
    latents, _ = normflows.model.inverse_and_log_det(x)  # type: ignore[operator]
    ours = [output.latent.shape for output in trained_like(CONFIG)(x)]
    assert [latent.shape for latent in reversed(latents)] == ours
    assert bool(normflows.log_prob(x).isfinite().all())
