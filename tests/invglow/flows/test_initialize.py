"""Data-dependent initialisation: everything standardised, or nothing changed."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from invglow.flows import MultiScaleFlow, initialize
from invglow.transforms import ActNorm, CouplingNetwork
from tests.invglow.flows.examples import VARIANTS, small_glow
from tests.properties import contents, random_images


def actnorm_outputs(flow: MultiScaleFlow, x: Tensor) -> list[Tensor]:
    """Return what every ActNorm of the flow writes."""
    outputs: list[Tensor] = []

    def collect(_module: nn.Module, _inputs: object, result: tuple[Tensor, Tensor]) -> None:
        outputs.append(result[0])

    handles = [m.register_forward_hook(collect) for m in flow.modules() if isinstance(m, ActNorm)]
    flow.forward_unfolded(x)
    for handle in handles:
        handle.remove()
    return outputs


def assert_standardised(x: Tensor, dimensions: tuple[int, ...]) -> None:
    """Mean 0 and variance 1 over the dimensions."""
    variance, mean = torch.var_mean(x, dim=dimensions, correction=0)
    torch.testing.assert_close(mean, torch.zeros_like(mean), rtol=0, atol=1e-9)
    torch.testing.assert_close(variance, torch.ones_like(variance), rtol=0, atol=1e-9)


@pytest.mark.parametrize(("mixing", "coupling"), VARIANTS)
@pytest.mark.parametrize("noise", [0.0, 0.2])
def test_every_actnorm_and_prior_standardises(mixing: str, coupling: str, noise: float) -> None:
    flow = small_glow(mixing=mixing, coupling=coupling, noise=noise)
    x = random_images(64, 3, 8, 4).square()
    initialize(flow, x)
    outputs = actnorm_outputs(flow, x)
    assert len(outputs) == 2 * 2 * 3
    for output in outputs:
        assert_standardised(output, (0, 2, 3))
    for scale, scale_output in zip(flow.scales, flow(x), strict=True):
        assert_standardised((scale_output.latent + scale.prior.loc) * scale.prior.log_scale.exp(), (0,))


def test_only_normalizations_change_and_no_hook_stays() -> None:
    flow = small_glow(noise=0)
    before = {name: value.clone() for name, value in flow.state_dict().items()}
    initialize(flow, random_images(32, 3, 8, 4))
    changed = {name for name, value in flow.state_dict().items() if not torch.equal(value, before[name])}
    assert changed
    assert all(name.split(".")[-2] in {"actnorm", "norm_in", "norm_mid", "prior"} for name in changed)
    after = contents(flow)
    flow(random_images(2, 3, 8, 4))
    flow.forward_unfolded(random_images(2, 3, 8, 4))
    assert contents(flow) == after


def test_likelihood_rises_and_twice_is_once() -> None:
    flow = small_glow(noise=0)
    x = random_images(64, 3, 8, 4) * 0.1
    before = flow.log_prob(x).mean()
    initialize(flow, x)
    once = flow.log_prob(x)
    assert once.mean() > before + 10
    initialize(flow, x)
    torch.testing.assert_close(flow.log_prob(x), once)


@pytest.mark.parametrize("mixing", ["lu", "shuffle", "identity"])
@pytest.mark.parametrize("constant_channels", [1, 3])
@pytest.mark.parametrize("value", [-0.498, 0.3])
def test_constant_channels_survive(mixing: str, constant_channels: int, value: float) -> None:
    """Also where every step sees them, and where later images are not constant."""
    flow = small_glow(noise=0, dtype=torch.float32, mixing=mixing, steps_per_scale=8)
    other = random_images(32, 3, 8, 4, dtype=torch.float32)
    x = other.clone()
    x[:, :constant_channels] = value
    initialize(flow, x)
    assert all(parameter.isfinite().all() for parameter in flow.parameters())
    for images in (x, other):
        assert flow.log_prob(images).isfinite().all()
        torch.testing.assert_close(flow(images)[0].latent, flow.forward_unfolded(images)[0].latent)


def _nan(x: Tensor) -> Tensor:
    x[3, 1, 2, 2] = torch.nan
    return x


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (_nan, "got NaN or infinite values"),
        (lambda x: x / 0, "got NaN or infinite values"),
        (lambda x: x[:1], "at least 2 images"),
        (lambda x: x[:0], "at least 2 images"),
        (lambda x: x[:, :1], "takes images of shape"),
        (lambda x: x[0], "takes images of shape"),
    ],
)
def test_bad_images_change_nothing(spoil: Callable[[Tensor], Tensor], sentence: str) -> None:
    flow = small_glow()
    before = contents(flow)
    with pytest.raises(ValueError, match=sentence):
        initialize(flow, spoil(random_images(8, 3, 8, 4)))
    assert contents(flow) == before


def test_a_failure_half_way_changes_nothing() -> None:
    flow = small_glow()
    before = contents(flow)
    network = flow.scales[1].steps[1].coupling.network
    assert isinstance(network, CouplingNetwork)
    hook = network.norm_mid.register_forward_hook(_fail)
    with pytest.raises(RuntimeError, match="out of memory"):
        initialize(flow, random_images(8, 3, 8, 4))
    hook.remove()
    assert contents(flow) == before


def _fail(*_: object) -> None:
    raise RuntimeError("out of memory")
