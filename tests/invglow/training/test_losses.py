"""Losses are functions of log-probabilities."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from invglow.training.losses import (
    margin_losses,
    negative_log_likelihood,
    outlier_losses,
    wrong_class_losses,
)


def gradient(loss: Tensor, by: Tensor) -> Tensor:
    return torch.autograd.grad(loss, by)[0]


def test_the_loss_is_the_mean_over_the_images() -> None:
    log_prob = torch.tensor([-1.0, -2.0, -6.0], requires_grad=True)
    loss = negative_log_likelihood(log_prob)
    loss.backward()
    assert loss.item() == 3.0
    assert log_prob.grad is not None
    torch.testing.assert_close(log_prob.grad, torch.full((3,), -1 / 3))


# --- outlier loss -------------------------------------------------------------------------------


def test_the_outlier_loss_is_the_cross_entropy_towards_zero() -> None:
    log_prob = torch.tensor([-3.0, 0.0, 2.0, 500.0, -500.0], dtype=torch.float64, requires_grad=True)
    general, temperature = torch.full((5,), 1.0, dtype=torch.float64), 2.0
    found = outlier_losses(log_prob, general, temperature)
    logits = (log_prob - general) / temperature
    expected = torch.nn.functional.binary_cross_entropy_with_logits(
        logits, torch.zeros_like(logits), reduction="none"
    )
    torch.testing.assert_close(found, expected)
    by_hand = [-math.log(1 - 1 / (1 + math.exp(-r / 2))) for r in (-4.0, -1.0, 1.0)]
    torch.testing.assert_close(found[:3], torch.tensor(by_hand, dtype=torch.float64))
    torch.testing.assert_close(gradient(found.sum(), log_prob), logits.sigmoid() / temperature)


def test_where_both_models_agree_the_outlier_loss_is_log_two() -> None:
    log_prob = torch.tensor([-7000.0, 12.0])
    torch.testing.assert_close(outlier_losses(log_prob, log_prob, 1000.0), torch.full((2,), math.log(2)))


def test_the_paper_settings_pull_with_three_nats_per_nat_at_the_start() -> None:
    log_prob = torch.tensor(-7000.0, requires_grad=True)
    loss = 6000 * outlier_losses(log_prob, torch.tensor(-7000.0), 1000.0)
    assert gradient(loss, log_prob).item() == pytest.approx(3.0)


# --- margin loss --------------------------------------------------------------------------------


def test_the_margin_loss_is_what_is_missing_to_the_margin() -> None:
    outside = torch.tensor([-10.0, -14.0, -14.5, -2.0], requires_grad=True)
    inside = torch.tensor([-10.0, -10.0, -10.0, -20.0], requires_grad=True)
    found = margin_losses(outside, inside, margin=4.0)
    torch.testing.assert_close(found, torch.tensor([4.0, 0.0, 0.0, 22.0]))
    torch.testing.assert_close(gradient(found.sum(), outside), torch.tensor([1.0, 0.0, 0.0, 1.0]))


def test_the_margin_loss_never_pulls_at_the_images_to_learn() -> None:
    inside = torch.tensor([-10.0], requires_grad=True)
    assert not margin_losses(torch.tensor([-10.0]), inside, margin=4.0).requires_grad


# --- label loss ---------------------------------------------------------------------------------


def test_the_label_loss_sums_the_outlier_losses_of_the_wrong_classes() -> None:
    generator = torch.Generator().manual_seed(0)
    class_log_probs = torch.randn(5, 4, generator=generator, dtype=torch.float64, requires_grad=True)
    general = torch.randn(5, generator=generator, dtype=torch.float64)
    labels = torch.tensor([0, 3, 1, 1, 2])
    found = wrong_class_losses(class_log_probs, labels, general, temperature=0.7)
    for i, label in enumerate(labels.tolist()):
        wrong = [y for y in range(4) if y != label]
        expected = sum(outlier_losses(class_log_probs[i, y], general[i], 0.7) for y in wrong)
        torch.testing.assert_close(found[i], torch.as_tensor(expected))
    pull = gradient(found.sum(), class_log_probs)
    assert torch.equal(pull == 0, torch.nn.functional.one_hot(labels, 4).bool())
    expected_pull = ((class_log_probs - general[:, None]) / 0.7).sigmoid() / 0.7
    torch.testing.assert_close(pull[pull != 0], expected_pull.detach()[pull != 0])


def test_without_a_wrong_class_the_label_loss_is_zero() -> None:
    found = wrong_class_losses(torch.randn(3, 1), torch.zeros(3, dtype=torch.int64), torch.zeros(3), 1.0)
    assert torch.equal(found, torch.zeros(3))
