"""Every rule against one backward pass per group."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from anomaly_methods.extractors.gradient_norms import reference_squared_norms, squared_gradient_norms, tap
from anomaly_methods.extractors.gradient_norms.engine import covered_squared_norms, visit_gradients
from anomaly_methods.extractors.gradient_norms.per_group import squared_norms
from anomaly_methods.extractors.gradient_norms.reference import reference_gradients
from invglow.flows import GlowConfig
from invglow.flows.steps import COUPLINGS, MIXINGS
from models.base import GenerativeModel
from models.glow import Glow
from tests.anomaly_methods.extractors.gradient_models import MODELS, NetModel, images, randomized

DRAWN = settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
TOLERANCES = {torch.float32: 1e-4, torch.float64: 1e-9}


@pytest.fixture(autouse=True)
def _seeded() -> None:
    """Layers start from torch's global generator; some starts leave a sum that nearly cancels."""
    torch.manual_seed(0)


def assert_exact(
    model: GenerativeModel, x: Tensor, group_size: int, dtype: torch.dtype = torch.float64
) -> None:
    """Compare all tensors; a gradient that nearly cancels is as exact as those of other groups allow."""
    model, x = model.to(dtype), x.to(dtype)
    found = squared_gradient_norms(model, x, group_size)
    expected = reference_squared_norms(model, x, group_size)
    assert list(found) == [name for name, _ in model.named_parameters()]
    largest = torch.stack(list(expected.values())).amax()
    for name, value in expected.items():
        assert found[name].shape == (len(x) // group_size,)
        floor = 1e-2 * value.amax() + 1e-5 * TOLERANCES[dtype] * largest
        error = (found[name] - value).abs() / (value + floor)
        assert error.max() <= TOLERANCES[dtype], f"{name}: {found[name]} instead of {value}"
    assert_visited(model, x, group_size, TOLERANCES[dtype])


def assert_visited(model: GenerativeModel, x: Tensor, group_size: int, tolerance: float) -> None:
    """Compare the gradients themselves, whose norms alone say nothing about the order of their entries."""
    expected = reference_gradients(model, x, group_size)
    norms = {name: squared_norms(value) for name, value in expected.items()}
    largest = torch.stack(list(norms.values())).amax()
    errors = visit_gradients(model, x, lambda name, g: squared_norms(g - expected[name]), group_size)
    assert list(errors) == list(expected)
    for name, error in errors.items():
        scale = norms[name] + 1e-2 * norms[name].amax() + 1e-4 * largest
        assert (error <= tolerance**2 * scale).all(), f"{name}: {(error / scale).sqrt()}"


@pytest.mark.parametrize("group_size", [1, 2])
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("dtype", TOLERANCES)
def test_models(name: str, group_size: int, dtype: torch.dtype) -> None:
    assert_exact(NetModel(randomized(MODELS[name]())), images(4), group_size, dtype)


@pytest.mark.parametrize("name", sorted(MODELS.keys() - {"Fallbacks"}))
def test_rules_cover(name: str) -> None:
    model = NetModel(randomized(MODELS[name]())).double()
    assert covered_squared_norms(model, images(4))[1] == {}


@st.composite
def glow_configs(draw: st.DrawFn) -> GlowConfig:
    return GlowConfig(
        image_shape=(draw(st.sampled_from([1, 3])), 8, 4),
        scales=draw(st.integers(1, 2)),
        steps_per_scale=2,
        hidden_channels=draw(st.integers(1, 20)),
        mixing=draw(st.sampled_from(sorted(MIXINGS))),
        coupling=draw(st.sampled_from(sorted(COUPLINGS))),
    )


@DRAWN
@given(
    config=glow_configs(),
    group_size=st.sampled_from([1, 2, 5]),
    groups=st.integers(1, 3),
    dtype=st.sampled_from(list(TOLERANCES)),
    memory_format=st.sampled_from([torch.contiguous_format, torch.channels_last]),
)
def test_glow(
    config: GlowConfig, group_size: int, groups: int, dtype: torch.dtype, memory_format: torch.memory_format
) -> None:
    model = glow(config).to(memory_format=memory_format)
    x = images(group_size * groups, config.image_shape).contiguous(memory_format=memory_format)
    assert covered_squared_norms(model.double(), x, group_size)[1] == {}
    assert_exact(model, x, group_size, dtype)


@pytest.mark.parametrize("mixing", MIXINGS)
@pytest.mark.parametrize("coupling", COUPLINGS)
def test_variants_of_glow(mixing: str, coupling: str) -> None:
    config = GlowConfig((3, 8, 8), 2, 1, 5, mixing=mixing, coupling=coupling)
    assert_exact(glow(config), images(4, (3, 8, 8)), 2)


def glow(config: GlowConfig) -> Glow:
    """Return a Glow with no parameter at its start."""
    torch.manual_seed(0)
    model = Glow.from_config(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return model


class _Convolved(nn.Module):
    """One convolution, plain or transposed, perhaps with a learned factor per row of the weight."""

    def __init__(
        self,
        channels: tuple[int, int, int],
        kernel: tuple[int, int],
        sides: dict[str, tuple[int, int]],
        *,
        transposed: bool,
        scaled: bool,
    ) -> None:
        super().__init__()
        self.inputs, outputs, parts = channels
        rows, columns = (self.inputs, outputs) if transposed else (outputs, self.inputs)
        self.weight = nn.Parameter(torch.zeros(rows, columns // parts, *kernel))
        self.log_scale = nn.Parameter(torch.zeros(rows))
        function: Callable[..., Tensor] = F.conv_transpose2d if transposed else F.conv2d
        self.convolve = partial(function, groups=parts, **sides)
        self.scaled = scaled

    def forward(self, x: Tensor) -> Tensor:
        weight: Tensor = self.weight
        if self.scaled:
            weight = self.log_scale.exp().view(-1, 1, 1, 1) * weight
        return self.convolve(F.pad(x, (2, 2, 2, 2)), weight)  # room for every kernel


@st.composite
def convolutions(draw: st.DrawFn) -> _Convolved:
    kernel = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    sides = {
        "stride": draw(st.tuples(st.integers(1, 3), st.integers(1, 3))),
        "padding": draw(st.tuples(st.integers(0, 2), st.integers(0, 2))),
        "dilation": draw(st.tuples(st.integers(1, 3), st.integers(1, 3))),
    }
    parts = draw(st.sampled_from([1, 1, 2]))
    inputs, outputs = (parts * draw(st.integers(1, 9)) for _ in range(2))
    transposed, scaled = draw(st.booleans()), draw(st.booleans())
    return _Convolved((inputs, outputs, parts), kernel, sides, transposed=transposed, scaled=scaled)


@DRAWN
@given(net=convolutions(), group_size=st.sampled_from([1, 3]))
def test_convolutions(net: _Convolved, group_size: int) -> None:
    randomized(net)
    assert_exact(NetModel(net), images(3, (net.inputs, 7, 6)), group_size)


@pytest.mark.parametrize("overwrite", [F.relu_, F.leaky_relu_, F.relu, torch.sigmoid_])
@pytest.mark.parametrize("factor", [0.0, 2.0])
@pytest.mark.parametrize("cached_numbers", [1, 1 << 18])  # a single image at a time, or all
def test_outputs_that_are_overwritten_in_place(
    overwrite: Callable[[Tensor], Tensor], factor: float, cached_numbers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Few positions, so that the gradient of the factor is taken from the output where that is possible."""
    monkeypatch.setattr(tap, "_CACHED_NUMBERS", cached_numbers)

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(50, 20, 1, 1))
            self.bias = nn.Parameter(torch.zeros(50))
            self.factor = nn.Parameter(torch.zeros(50, 1, 1, 1))

        def forward(self, x: Tensor) -> Tensor:
            return overwrite(F.conv2d(x, self.weight * (self.factor * factor), self.bias))

    model = NetModel(randomized(Net()))
    assert_exact(model, images(4, (20, 2, 1)), 2)


def test_tensors_without_a_rule_are_computed_apart_and_named(caplog: pytest.LogCaptureFixture) -> None:
    class Unruled(NetModel):  # a name of its own, since each warning comes once
        pass

    model = Unruled(randomized(MODELS["Fallbacks"]())).double()
    assert set(covered_squared_norms(model, images(2))[1]) == {"net.left", "net.einsum"}
    with caplog.at_level(logging.WARNING):
        assert_exact(model, images(2), 1)
        squared_gradient_norms(model, images(2))
    (message,) = caplog.messages
    assert "2 tensors of Unruled" in message
    assert "einsum" in message


def test_a_function_that_cannot_be_watched_leaves_its_parameters_to_the_fallback() -> None:
    class Double(torch.autograd.Function):
        generate_vmap_rule = True

        @staticmethod
        def forward(x: Tensor, weight: Tensor) -> Tensor:
            return x * weight

        @staticmethod
        def setup_context(ctx: torch.autograd.function.FunctionCtx, inputs: object, _: object) -> None:
            assert isinstance(inputs, tuple)
            ctx.save_for_backward(*inputs)

        @staticmethod
        def backward(ctx: torch.autograd.function.FunctionCtx, *g: Tensor) -> tuple[Tensor, Tensor]:
            x, weight = ctx.saved_tensors  # type: ignore[attr-defined]
            return g[0] * weight, (g[0] * x).sum()

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(2, 2, 3)
            self.weight = nn.Parameter(torch.tensor(1.5))

        def forward(self, x: Tensor) -> Tensor:
            result: Tensor = Double.apply(self.conv(x), self.weight)
            return result

    model = NetModel(Net()).double()
    assert list(covered_squared_norms(model, images(2))[1]) == ["net.weight"]
    assert_exact(model, images(2), 1)


def test_a_model_that_differentiates_by_itself_goes_group_by_group() -> None:
    class ScoreMatching(NetModel):
        def log_prob(self, x: Tensor) -> Tensor:
            x = x.clone().requires_grad_()
            (gradient,) = torch.autograd.grad(self.net(x).square().sum(), x, create_graph=True)
            return -gradient.flatten(1).square().sum(dim=1)

    model = ScoreMatching(nn.Conv2d(2, 2, 3)).double()
    assert set(covered_squared_norms(model, images(2))[1]) == {"net.weight", "net.bias"}
    assert_exact(model, images(2), 1)


def test_unused_and_frozen_parameters() -> None:
    model = NetModel(nn.ModuleDict({"used": nn.Conv2d(2, 1, 1), "unused": nn.Linear(2, 2)}))
    model.net.forward = model.net["used"].forward  # type: ignore[index]
    model.net["used"].bias.requires_grad = False  # type: ignore[index]
    found = squared_gradient_norms(model, images(2).float())
    assert list(found) == ["net.used.weight", "net.unused.weight", "net.unused.bias"]
    assert found["net.unused.weight"].tolist() == [0, 0]
    assert (found["net.used.weight"] > 0).all()


def test_nothing_is_left_behind() -> None:
    model = NetModel(nn.Conv2d(2, 1, 1))
    squared_gradient_norms(model, images(2).float())
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_nonfinite_gradients_are_recorded(value: float) -> None:
    model = NetModel(nn.Conv2d(2, 1, 1)).double()
    x = images(2)
    x[1, 0, 0, 0] = value
    found = squared_gradient_norms(model, x)["net.weight"]
    assert found[0].isfinite()
    assert not found[1].isfinite()


def multiplied(root: Tensor, other: Tensor) -> Tensor:
    return root.mul_(other)


def overwritten(root: Tensor, other: Tensor) -> Tensor:
    return root.copy_(other.exp())


@pytest.mark.parametrize("change", [multiplied, overwritten])
def test_a_function_of_parameters_that_is_changed_after_its_use(
    change: Callable[[Tensor, Tensor], Tensor],
) -> None:
    class Changing(nn.Module):
        """Adds a tensor to images, changes it in place, and adds it once more."""

        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Parameter(torch.zeros(2, 6, 6))
            self.second = nn.Parameter(torch.zeros(2, 6, 6))

        def forward(self, x: Tensor) -> Tensor:
            root = self.first * 3
            moved = (x + root).sin()
            return moved + (x + change(root, self.second)).cos()

    assert_exact(NetModel(randomized(Changing())), images(4), 2)
