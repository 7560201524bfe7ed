"""What is kept from one batch to the next: it saves work, and never changes a number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from anomaly_methods.extractors.gradient_norms import reference_squared_norms, squared_gradient_norms
from anomaly_methods.extractors.gradient_norms.memory import Memory
from anomaly_methods.extractors.gradients import GradientExtractor
from invglow.flows import GlowConfig, build_glow
from models.glow import Glow
from tests.anomaly_methods.extractors.gradient_models import MODELS, NetModel, images, randomized


def operations(run: Callable[[], object]) -> Counter[str]:
    """Count the operations that are carried out, by name."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        run()
    return Counter(event.name for event in profile.events() or [])


def as_it_is(weight: Tensor, _x: Tensor) -> Tensor:
    return weight


def dropped(weight: Tensor, _x: Tensor) -> Tensor:
    return F.dropout(weight, 0.5)


class Net(nn.Module):
    """A network with a folded weight, which a test may make to do something odd."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(3, 2, 1, 1))
        self.gain = nn.Parameter(torch.zeros(3))
        self.odd: Callable[[Tensor, Tensor], Tensor] = as_it_is

    def forward(self, x: Tensor) -> Tensor:
        weight = self.odd(self.weight * self.gain.exp().view(-1, 1, 1, 1), x)
        return F.conv2d(x, weight)


def make(net: nn.Module) -> NetModel:
    return NetModel(randomized(net)).double()


def require_reference(model: NetModel | Glow, x: Tensor, memory: Memory, group_size: int = 1) -> None:
    found = squared_gradient_norms(model, x, group_size, memory=memory)
    for name, expected in reference_squared_norms(model, x, group_size).items():
        rtol = 1e-9 if x.dtype is torch.float64 else 1e-4
        torch.testing.assert_close(found[name], expected, rtol=rtol, atol=0, msg=name)


@pytest.mark.parametrize("name", MODELS)
def test_every_batch_has_its_own_gradients(name: str) -> None:
    model, memory = make(MODELS[name]()), Memory()
    for seed, (count, group_size) in enumerate([(4, 1), (4, 1), (2, 1), (4, 2), (4, 4), (4, 1)]):
        require_reference(model, images(count, seed=seed), memory, group_size)


@pytest.mark.parametrize("mixing", ["lu", "plain", "shuffle"])
def test_every_batch_has_its_own_gradients_under_a_glow(mixing: str) -> None:
    config = GlowConfig((2, 8, 8), scales=2, steps_per_scale=2, hidden_channels=6, mixing=mixing)
    model, memory = Glow(build_glow(config)), Memory()
    randomized(model).double()
    for seed in range(3):
        require_reference(model, images(3, (2, 8, 8), seed), memory)


def test_functions_of_parameters_are_computed_once() -> None:
    config = GlowConfig((2, 8, 8), scales=2, steps_per_scale=2, hidden_channels=6)
    model, memory = Glow(build_glow(config)).eval(), Memory()
    model.is_static = False  # otherwise the third batch is recorded
    passes = []
    for seed in range(3):
        x = images(2, (2, 8, 8), seed).float()
        passes.append(operations(partial(squared_gradient_norms, model, x, memory=memory)))
    first, second, third = passes
    assert first["aten::exp"] > first["aten::diag_embed"] == 4
    assert second["aten::exp"] == second["aten::diag_embed"] == 0
    assert second["aten::conv2d"] == first["aten::conv2d"]
    assert third == second


def step(model: NetModel) -> None:
    gain = model.net.gain
    assert isinstance(gain, Tensor)
    with torch.no_grad():
        gain.add_(0.3)


def replace_values(model: NetModel) -> None:
    weight = model.net.weight
    assert isinstance(weight, nn.Parameter)
    weight.data = weight.data * 2


def replace_parameter(model: NetModel) -> None:
    model.net.weight = nn.Parameter(torch.full((3, 2, 1, 1), 0.7, dtype=torch.float64))


def freeze(model: NetModel) -> None:
    gain = model.net.gain
    assert isinstance(gain, nn.Parameter)
    gain.requires_grad = False


def to_float(model: NetModel) -> None:
    model.float()


def write_values(model: NetModel) -> None:
    weight = model.net.weight
    assert isinstance(weight, nn.Parameter)
    weight.data.mul_(2)


@pytest.mark.parametrize(
    "change",
    [step, replace_values, write_values, replace_parameter, freeze, to_float],
    ids=lambda f: f.__name__,
)
def test_changed_parameters_are_noticed(change: Callable[[NetModel], None]) -> None:
    model, memory, x = make(Net()), Memory(), images(3)
    squared_gradient_norms(model, x, memory=memory)
    change(model)
    require_reference(model, x.to(next(model.parameters()).dtype), memory)


@pytest.mark.parametrize("in_place", [True, False])
@pytest.mark.parametrize("is_parameter", [True, False])
def test_changed_constants_are_noticed(*, in_place: bool, is_parameter: bool) -> None:
    constant = torch.full((3, 2, 1, 1), 0.7, dtype=torch.float64)
    if is_parameter:
        constant = nn.Parameter(constant, requires_grad=False)
    model, memory, x = make(Net()), Memory(), images(3)
    model.net.odd = lambda weight, _x: weight * constant  # type: ignore[assignment]
    for _ in range(3):
        require_reference(model, x, memory)
        if in_place:
            constant.data.mul_(2)
        else:
            constant.data = constant * 2


def in_place(weight: Tensor, x: Tensor) -> Tensor:
    return weight.mul_(1 + float(x[0, 0, 0, 0]))


def by_image_content(weight: Tensor, x: Tensor) -> Tensor:
    return weight * float(x[0, 0, 0, 0])


def by_branch(weight: Tensor, x: Tensor) -> Tensor:
    return weight.tanh() * 2 if x.flatten()[0] > 0 else (weight * 2).tanh()


def without_gradient(weight: Tensor, x: Tensor) -> Tensor:
    with torch.set_grad_enabled(bool(x.flatten()[0] > 0)):
        moved = weight.tanh()
    return weight + moved


def by_equal_numbers(weight: Tensor, x: Tensor) -> Tensor:
    place = True if x.flatten()[0] > 0 else 1  # w[1] is a row, w[True] is all
    return weight[place].reshape(-1, 2, 1, 1) * 2


def detached_at_times(weight: Tensor, x: Tensor) -> Tensor:
    moved = weight.tanh()
    return weight + (moved.detach_() if x.flatten()[0] > 0 else moved)


def of_less_precision_at_times(weight: Tensor, x: Tensor) -> Tensor:
    with torch.autocast("cpu", enabled=bool(x.flatten()[0] > 0)):
        moved = torch.matmul(weight.flatten(1), weight.flatten(1).t())[:, :2]
    return moved.to(torch.float32).reshape(3, 2, 1, 1)


def written_to(weight: Tensor, _x: Tensor) -> Tensor:
    moved = weight * 2
    moved.data.mul_(3)
    return moved


@pytest.mark.parametrize(
    "odd",
    [
        *(in_place, by_image_content, by_branch, without_gradient, by_equal_numbers),
        *(detached_at_times, written_to),
    ],
    ids=lambda f: f.__name__,
)
def test_a_model_may_do_something_else_with_the_next_batch(odd: Callable[[Tensor, Tensor], Tensor]) -> None:
    model, memory = make(Net()), Memory()
    model.net.odd = odd  # type: ignore[assignment]
    for sign in (1, 1, -1, -1, 1):
        x = images(3)
        x[:, 0, 0, 0] = sign * 0.4
        require_reference(model, x, memory)


class UsedInTwoWays(nn.Module):
    """A scaled weight that is a linear layer's, or multiplies images elementwise."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(5, 36))
        self.gain = nn.Parameter(torch.zeros(5))

    def forward(self, x: Tensor) -> Tensor:
        weight, rows = self.weight * self.gain.exp()[:, None], x.flatten(1)[:, :36]
        return F.linear(rows, weight) if x.flatten()[0] > 0 else rows[:, None] * weight


class Growing(nn.Module):
    """A function of a parameter that is doubled in place before every pass but the first."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2, 6, 6))
        self.factor = factor
        self.kept: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        self.kept = self.weight * self.factor if self.kept is None else self.kept.mul_(2)
        return x * self.kept


def test_a_function_of_parameters_may_be_used_in_another_way() -> None:
    model, memory = make(UsedInTwoWays()), Memory()
    for sign in (1, -1, 1):
        x = images(3)
        x[:, 0, 0, 0] = sign * 0.4
        require_reference(model, x, memory)


def test_a_function_of_parameters_may_outlive_a_pass_and_change() -> None:
    model, memory, x = make(Growing(3)), Memory(), images(3)
    for factor in (3, 6, 12):
        found = squared_gradient_norms(model, x, 3, memory=memory)
        expected = reference_squared_norms(make(Growing(factor)), x, 3)
        torch.testing.assert_close(found["net.weight"], expected["net.weight"])


def test_a_model_may_compute_in_another_type_at_times() -> None:
    model, memory = make(Net()).float(), Memory()
    model.net.odd = of_less_precision_at_times  # type: ignore[assignment]
    x = images(3).float()
    x[:, 0, 0, 0] = 0.4
    squared_gradient_norms(model, x, memory=memory)
    x[:, 0, 0, 0] = -0.4
    require_reference(model, x, memory)


def test_what_is_drawn_is_drawn_for_every_batch() -> None:
    model, memory, x = make(Net()), Memory(), images(3)
    model.net.odd = dropped  # type: ignore[assignment]
    drawn = [tuple(squared_gradient_norms(model, x, memory=memory)["net.gain"].tolist()) for _ in range(8)]
    assert len(set(drawn)) > 1


def test_a_pass_that_failed_leaves_nothing_behind() -> None:
    model, memory, x = make(Net()), Memory(), images(3)
    require_reference(model, x, memory)

    def fail(*_: object) -> Tensor:
        raise ZeroDivisionError

    model.net.odd = fail  # type: ignore[assignment]
    with pytest.raises(ZeroDivisionError):
        squared_gradient_norms(model, x, memory=memory)
    model.net.odd = as_it_is  # type: ignore[assignment]
    require_reference(model, x, memory)


def test_an_extractor_keeps_what_it_can_for_every_model() -> None:
    extractor = GradientExtractor()
    models = [make(Net()), NetModel(randomized(Net(), seed=1)).double()]
    for seed in range(2):
        for model in models:
            x = images(3, seed=seed)
            found = extractor(model, x)
            for name, expected in reference_squared_norms(model, x).items():
                torch.testing.assert_close(found[name], expected)
    assert operations(lambda: extractor(models[0], images(3)))["aten::exp"] == 0
