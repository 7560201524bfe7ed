"""The gradients extractor: what it writes, what it refuses, and that it sees nothing but the model."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from anomaly_methods.extractors.gradient_norms import reference_squared_norms, squared_gradient_norms
from anomaly_methods.extractors.gradient_norms.checks import tensors_to_leave_apart
from anomaly_methods.extractors.gradient_norms.engine import covered_squared_norms
from anomaly_methods.extractors.gradients import GradientExtractor
from anomaly_methods.extractors.run import Extraction, extract
from anomaly_methods.statistics import Statistics
from invglow.flows import GlowConfig
from models.base import GenerativeModel
from models.glow import Glow
from tests.anomaly_methods.extractors.gradient_models import NetModel, images, randomized
from tests.anomaly_methods.extractors.toys import Gaussian, make_images

X = images(4)


def small_glow() -> Glow:
    """Return a Glow for images of 4 x 4 grey pixels."""
    torch.manual_seed(0)
    model = Glow.from_config(GlowConfig((1, 4, 4), 1, 2, 4))
    randomized(model)
    return model


def test_gaussian_in_closed_form() -> None:
    x = X[:, :1, :4, :4].contiguous()
    values = GradientExtractor(2)(Gaussian(3.0).double(), x)
    gradient = (1 / 3 - 3 * x.square()).flatten(1).sum(dim=1).reshape(2, 2).sum(dim=1)
    assert list(values) == ["precision"]
    torch.testing.assert_close(values["precision"], gradient.square())


def test_file_of_a_glow(tmp_path: Path) -> None:
    model, image_set = small_glow(), make_images(7)
    extraction = Extraction(model, image_set, GradientExtractor(2), "m", "a" * 64)
    statistics = extract(extraction, tmp_path / "g.npz", batch_size=4)
    names = [name for name, _ in model.named_parameters()]
    loaded = Statistics.load(tmp_path / "g.npz")
    assert list(loaded.values) == names
    assert (loaded.meta.kind, loaded.meta.group_size, loaded.meta.dropped) == ("gradients", 2, 1)
    assert loaded.meta.details["flow.scales.0.steps.1.coupling.network.conv_in.weight"] == {
        "numel": 72,
        "shape": [4, 2, 3, 3],
        "module": "Conv2d",
    }
    x = (image_set.batch(range(6)).float() + 0.5) / 256 - 0.5
    expected = reference_squared_norms(model, x, 2)
    for name in names:
        np.testing.assert_allclose(statistics.value(name), expected[name].numpy(), rtol=1e-4)


def test_training_mode_and_gradients_are_left_as_they_were(tmp_path: Path) -> None:
    model = small_glow().train()
    extract(Extraction(model, make_images(2), GradientExtractor(), "m", "a" * 64), tmp_path / "g.npz")
    assert model.training
    assert all(parameter.grad is None for parameter in model.parameters())


def test_images_of_inference_mode() -> None:
    model = NetModel(nn.Conv2d(2, 1, 1)).double()
    with torch.inference_mode():
        found = squared_gradient_norms(model, X.clone())
    assert found["net.weight"].shape == (4,)


def test_batch_statistics_are_refused() -> None:
    model = NetModel(nn.Sequential(nn.Conv2d(2, 2, 1), nn.BatchNorm2d(2))).double()
    with pytest.raises(ValueError, match="statistics of their batch"):
        squared_gradient_norms(model, X)
    squared_gradient_norms(model.eval(), X)


def test_a_model_that_mixes_images_is_refused() -> None:
    class Mixing(NetModel):
        def log_prob(self, x: Tensor) -> Tensor:
            return super().log_prob(x) + x.mean()

    with pytest.raises(ValueError, match="mixes images or is random"):
        GradientExtractor()(Mixing(nn.Conv2d(2, 1, 1)).double(), X)


def test_a_model_that_is_not_differentiable_is_refused() -> None:
    class Detached(NetModel):
        def log_prob(self, x: Tensor) -> Tensor:
            return super().log_prob(x).detach()

    for compute in (GradientExtractor(), reference_squared_norms, tensors_to_leave_apart):
        with pytest.raises(ValueError, match="log_prob of Detached is not differentiable by its parameters"):
            compute(Detached(nn.Conv2d(2, 1, 1)).double(), X)


@pytest.mark.parametrize("shape", [(4, 1), (), (3,)])
def test_a_log_prob_that_is_not_one_number_per_image_is_refused(shape: tuple[int, ...]) -> None:
    class Wrong(NetModel):
        def log_prob(self, x: Tensor) -> Tensor:
            return self.net.weight.sum() + x.new_zeros(shape)  # type: ignore[operator]

    for compute in (squared_gradient_norms, reference_squared_norms, GradientExtractor()):
        with pytest.raises(ValueError, match="log_prob must have shape"):
            compute(Wrong(nn.Conv2d(2, 1, 1)).double(), X)


def test_groups_that_are_not_whole_are_refused() -> None:
    with pytest.raises(ValueError, match=r"groups of 3 .* got 4 images"):
        squared_gradient_norms(NetModel(nn.Conv2d(2, 1, 1)).double(), X, 3)


def test_a_model_without_parameters_is_refused() -> None:
    with pytest.raises(ValueError, match="requires a gradient"):
        squared_gradient_norms(NetModel(nn.Tanh()), X)


def test_rows_that_are_not_images_are_noticed_and_computed_apart(caplog: pytest.LogCaptureFixture) -> None:
    class Transposed(nn.Module):
        """Puts channels first, as many as there are images, so that no rule can see the difference."""

        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(6, 3)

        def forward(self, x: Tensor) -> Tensor:
            output: Tensor = self.linear(x.transpose(0, 1)).transpose(0, 1)
            return output

    model: GenerativeModel = NetModel(Transposed(), (4, 6, 6)).double()
    x = images(4, (4, 6, 6))
    with caplog.at_level(logging.WARNING):
        extractor = GradientExtractor()
        extractor(model, x[:3])  # not as many as channels, so that nothing is wrong yet
        found = extractor(model, x)
    assert "the rules do not fit them" in caplog.messages[-1]
    expected = reference_squared_norms(model, x)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value)


def test_a_model_without_any_tensor_that_a_rule_covers() -> None:
    class Quadratic(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.form = nn.Parameter(torch.randn(2, 2, generator=torch.Generator().manual_seed(0)))

        def forward(self, x: Tensor) -> Tensor:
            return torch.einsum("bchw,cd,bdhw->bhw", x, self.form, x)

    model = NetModel(Quadratic()).double()
    assert covered_squared_norms(model, X)[0] == {}
    found = GradientExtractor(2)(model, X)
    torch.testing.assert_close(found, reference_squared_norms(model, X, 2))
