"""Losses are functions of log-probabilities."""

from __future__ import annotations

import torch

from invglow.training.losses import negative_log_likelihood


def test_the_loss_is_the_mean_over_the_images() -> None:
    log_prob = torch.tensor([-1.0, -2.0, -6.0], requires_grad=True)
    loss = negative_log_likelihood(log_prob)
    loss.backward()
    assert loss.item() == 3.0
    assert log_prob.grad is not None
    torch.testing.assert_close(log_prob.grad, torch.full((3,), -1 / 3))
