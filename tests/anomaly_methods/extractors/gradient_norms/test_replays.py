"""What is recorded of a static model and repeated: its numbers stay the reference's, whatever changes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from unittest.mock import patch

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from anomaly_methods.extractors.gradient_norms import reference_squared_norms, squared_gradient_norms
from anomaly_methods.extractors.gradient_norms.memory import Memory
from invglow.flows import GlowConfig, build_glow
from models.base import GenerativeModel
from models.glow import Glow
from tests.anomaly_methods.extractors.gradient_models import MODELS, SHAPE, NetModel, images, randomized

BATCHES = 4  # after which a batch of the same shape is repeated


class Static(NetModel):
    """A static model that counts how often it is asked."""

    is_static = True
    calls = 0

    def log_prob(self, x: Tensor) -> Tensor:
        type(self).calls += 1
        return super().log_prob(x)


class Net(nn.Module):
    """A convolution with a folded weight and a buffer, which a test may make to do something odd."""

    shift: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(3, 2, 3, 3))
        self.gain = nn.Parameter(torch.zeros(3))
        self.register_buffer("shift", torch.zeros(3, 1, 1))
        self.odd: Callable[[Tensor], Tensor] = torch.tanh

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight * self.gain.exp().view(-1, 1, 1, 1)
        return self.odd(F.conv2d(x, weight, padding=1) + (2 * self.shift).exp())


def make(net: nn.Module) -> Static:
    return Static(randomized(net)).double()


def require_reference(
    model: GenerativeModel, memory: Memory, seeds: Iterable[int], group_size: int = 1, count: int = 4
) -> None:
    for seed in seeds:
        x = images(count, model.image_shape, seed).to(next(model.parameters()).dtype)
        found = squared_gradient_norms(model, x, group_size, memory=memory)
        rtol = 1e-9 if x.dtype is torch.float64 else 1e-4
        for name, expected in reference_squared_norms(model, x, group_size).items():
            assert not found[name].is_inference()
            torch.testing.assert_close(found[name], expected, rtol=rtol, atol=1e-12, msg=name)


def require_as_unrecorded(model: Static, memory: Memory, seeds: Iterable[int]) -> None:
    """Compare with what a first batch gives, for models that mix the images of a batch."""
    for seed in seeds:
        x = images(4, SHAPE, seed)
        torch.testing.assert_close(
            squared_gradient_norms(model, x, memory=memory), squared_gradient_norms(model, x)
        )


def calls_of_one_more(model: Static, memory: Memory, x: Tensor, group_size: int = 1) -> int:
    """Return how often the model itself is asked for another batch."""
    before = Static.calls
    squared_gradient_norms(model, x, group_size, memory=memory)
    return Static.calls - before


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("group_size", [1, 2])
def test_every_layer(name: str, group_size: int) -> None:
    model, memory = make(MODELS[name]()), Memory()
    require_reference(model, memory, range(BATCHES + 2), group_size)
    # Gradients of embeddings are of as many rows as were picked; what torch.func computes is not recorded.
    repeated = name not in {"UNet", "PixelCNN", "Fallbacks"}
    assert (calls_of_one_more(model, memory, images(4, SHAPE), group_size) == 0) == repeated


def test_a_glow_in_single_precision() -> None:
    config = GlowConfig(image_shape=(2, 8, 8), scales=2, steps_per_scale=2, hidden_channels=20)
    model, memory = Glow(build_glow(config)).eval(), Memory()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)))
    require_reference(model, memory, range(BATCHES + 3))
    with patch.object(Glow, "scale_terms", side_effect=AssertionError("the model was asked")):
        squared_gradient_norms(model, images(4, (2, 8, 8)).float(), memory=memory)


def step(model: Static) -> None:
    with torch.no_grad():
        model.get_parameter("net.gain").add_(0.3)


def write_through_data(model: Static) -> None:
    model.get_parameter("net.weight").data.mul_(1.5)


def write_buffer(model: Static) -> None:
    model.get_buffer("net.shift").add_(0.2)


def write_buffer_through_data(model: Static) -> None:
    model.get_buffer("net.shift").data.add_(0.2)


def load(model: Static) -> None:
    model.load_state_dict({name: 2 * value for name, value in model.state_dict().items()})


def replace(model: Static) -> None:
    net = model.net
    assert isinstance(net, Net)
    net.gain = nn.Parameter(net.gain.detach() + 0.1)


@pytest.mark.parametrize(
    "change", [step, write_through_data, write_buffer, write_buffer_through_data, load, replace]
)
def test_changed_parameters_and_buffers_are_noticed(change: Callable[[Static], None]) -> None:
    model, memory = make(Net()), Memory()
    require_reference(model, memory, range(BATCHES + 1))
    change(model)
    require_reference(model, memory, range(BATCHES + 1))
    assert calls_of_one_more(model, memory, images(4, SHAPE)) == 0


def test_batches_of_another_shape_or_group_size_are_recorded_apart() -> None:
    model, memory = make(Net()), Memory()
    for group_size, count in ((1, 4), (2, 4), (1, 3), (3, 3)) * (BATCHES + 2):
        require_reference(model, memory, [count], group_size, count)
    turned = images(4, SHAPE).contiguous(memory_format=torch.channels_last)
    assert calls_of_one_more(model, memory, images(4, SHAPE)) == 0
    assert calls_of_one_more(model, memory, turned) == 1


def test_training_mode_is_not_evaluation_mode() -> None:
    model, memory = make(nn.Sequential(nn.Conv2d(2, 2, 1), nn.BatchNorm2d(2))), Memory()
    model.eval()
    require_reference(model, memory, range(BATCHES + 1))
    with pytest.raises(ValueError, match="statistics of their batch"):
        squared_gradient_norms(model.train(), images(4, SHAPE), memory=memory)


def test_a_decision_that_comes_out_differently() -> None:
    decisions = set()

    def decided(x: Tensor) -> Tensor:
        decision = bool(x.detach()[:, 0].sum() > 142)
        decisions.add(decision)
        return x.tanh() if decision else x.sin()

    net = Net()
    net.odd = decided
    model, memory = make(net), Memory()
    require_as_unrecorded(model, memory, range(12))
    assert decisions == {True, False}


def test_a_model_that_is_not_static_is_noticed(caplog: pytest.LogCaptureFixture) -> None:
    def leaving_torch(x: Tensor) -> Tensor:
        return x * float(x.detach().numpy().sum())

    net = Net()
    net.odd = leaving_torch
    model, memory = make(net), Memory()
    with caplog.at_level(logging.WARNING):
        require_as_unrecorded(model, memory, range(BATCHES + 3))
    assert "says that it is static" in caplog.text


def test_a_model_that_takes_numbers_from_images_is_never_repeated() -> None:
    net = Net()
    net.odd = lambda x: x * float(x.detach().sum())
    model, memory = make(net), Memory()
    require_as_unrecorded(model, memory, range(BATCHES + 2))
    assert calls_of_one_more(model, memory, images(4, SHAPE)) == 1


def test_a_model_that_remembers_images_is_never_repeated() -> None:
    seen = torch.zeros(3, 6, 6, dtype=torch.float64)

    def remember(x: Tensor) -> Tensor:
        seen.copy_(x[0].detach())
        return x.tanh()

    net = Net()
    net.odd = remember
    model, memory = make(net), Memory()
    require_reference(model, memory, range(BATCHES + 2))
    assert calls_of_one_more(model, memory, images(4, SHAPE)) == 1


def test_images_that_are_not_finite() -> None:
    model, memory = make(Net()).float(), Memory()
    require_reference(model, memory, range(BATCHES + 1))
    x = images(4, SHAPE, 1).float()
    x[2] = torch.nan
    found = squared_gradient_norms(model, x, memory=memory)
    assert all(value.isnan().tolist() == [False, False, True, False] for value in found.values())


def test_images_of_inference_mode() -> None:
    model, memory = make(Net()), Memory()
    expected = reference_squared_norms(model, images(4, SHAPE))
    with torch.inference_mode():
        x = images(4, SHAPE).clone()
        for _ in range(BATCHES + 2):
            found = squared_gradient_norms(model, x, memory=memory)
    torch.testing.assert_close(found, expected)


def test_models_are_taken_for_static_only_if_they_say_so() -> None:
    model = NetModel(randomized(Net())).double()
    assert not model.is_static
    memory = Memory()
    for seed in range(BATCHES + 2):
        squared_gradient_norms(model, images(4, SHAPE, seed), memory=memory)
    net = model.net
    assert isinstance(net, Net)
    net.odd = torch.sin  # its state is its own
    require_reference(model, memory, [0])
