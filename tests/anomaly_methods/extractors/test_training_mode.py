"""Training mode is accepted where it changes nothing, and refused with the reason where it does."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from anomaly_methods.extractors.training_mode import require_same_in_training_mode
from invglow.flows import GlowConfig
from models.glow import Glow
from tests.anomaly_methods.extractors.gradient_models import NetModel, images

X = images(2).float()


def convolution_then(layer: nn.Module) -> NetModel:
    torch.manual_seed(0)
    return NetModel(nn.Sequential(nn.Conv2d(2, 4, 3), layer))


def test_a_model_that_is_the_same_is_accepted_and_left_alone() -> None:
    glow = Glow.from_config(GlowConfig((2, 8, 8), 2, 1, 4)).eval()
    require_same_in_training_mode(glow, images(2, (2, 8, 8)).float())
    require_same_in_training_mode(convolution_then(nn.GroupNorm(2, 4)), X)
    assert not glow.training


def test_batch_statistics_are_refused_and_running_averages_stay() -> None:
    model = convolution_then(nn.BatchNorm2d(4)).eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(ValueError, match="statistics of their batch"):
        require_same_in_training_mode(model, X)
    assert not any(module.training for module in model.modules())
    for name, value in model.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)


def test_dropout_is_refused_with_both_values() -> None:
    model = convolution_then(nn.Dropout(0.5)).eval()
    value = float(model.log_prob(X)[0].detach())
    with pytest.raises(ValueError, match=rf"training mode and {value:.6g} in evaluation mode \(as dropout"):
        require_same_in_training_mode(model, X)
