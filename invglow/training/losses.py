"""Training losses as pure functions of log-probabilities."""

from __future__ import annotations

from torch import Tensor

__all__ = ["negative_log_likelihood"]


def negative_log_likelihood(log_prob: Tensor) -> Tensor:
    """Return the mean of -log p(x) over the batch, a scalar in nats per image.

    Args:
        log_prob: log p(x) of each image, shape (B,), in nats.
    """
    return -log_prob.mean()
