"""Gradients shown to a visitor: each of every group once, in pieces that fit into memory."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from anomaly_methods.extractors.gradient_norms import (
    engine,
    reference_squared_norms,
    squared_gradient_norms,
    vmapped,
)
from anomaly_methods.extractors.gradient_norms.engine import visit_gradients
from anomaly_methods.extractors.gradient_norms.per_group import squared_norms
from tests.anomaly_methods.extractors.gradient_models import MODELS, NetModel, images, randomized


@pytest.mark.parametrize("name", ["UNet", "Fallbacks"])
def test_visitors_see_every_group_once_however_small_the_pieces(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, x = NetModel(randomized(MODELS[name]())).double(), images(6)
    sums = {key: torch.zeros_like(parameter) for key, parameter in model.named_parameters()}
    pieces = []

    def visitor(key: str, gradients: Tensor) -> Tensor:
        sums[key] += gradients.sum(dim=0)
        pieces.append(len(gradients))
        return squared_norms(gradients)

    for numbers in (1 << 25, 1):
        monkeypatch.setattr(engine, "_NUMBERS_AT_A_TIME", numbers)
        monkeypatch.setattr(vmapped, "_NUMBERS_AT_A_TIME", numbers)
        norms = visit_gradients(model, x, visitor, 2)
        for key, expected in reference_squared_norms(model, x, 2).items():
            torch.testing.assert_close(norms[key], expected)
    gradients = torch.autograd.grad(model.log_prob(x).sum(), list(model.parameters()))
    for key, gradient in zip(sums, gradients, strict=True):
        torch.testing.assert_close(sums[key], 2 * gradient)
    assert pieces == len(sums) * [3] + 3 * len(sums) * [1]


@pytest.mark.parametrize("name", ["Shared", "ScaledWeights"])
def test_tensors_left_apart_are_visited_once(name: str) -> None:
    model, x = NetModel(randomized(MODELS[name]())).double(), images(2)
    apart, seen = [next(iter(dict(model.named_parameters())))], []
    found = squared_gradient_norms(model, x, apart=apart)

    def visitor(key: str, gradients: Tensor) -> Tensor:
        seen.append(key)
        return squared_norms(gradients)

    assert visit_gradients(model, x, visitor, apart=apart).keys() == found.keys() == set(seen)
    assert len(seen) == len(found)
