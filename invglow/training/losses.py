"""Training losses as pure functions of log-probabilities."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

__all__ = ["margin_losses", "negative_log_likelihood", "outlier_losses", "wrong_class_losses"]


def negative_log_likelihood(log_prob: Tensor) -> Tensor:
    """Return the mean of -log p(x) over the batch, a scalar in nats per image.

    Args:
        log_prob: log p(x) of each image, shape (B,), in nats.

    References:
        docs/training.md, equation 1.
    """
    return -log_prob.mean()


def outlier_losses(log_prob: Tensor, general_log_prob: Tensor, temperature: float) -> Tensor:
    """Return the cross-entropy of telling each general image from those of the specific model, towards 0.

        -log(1 - sigmoid((log p_specific(x) - log p_general(x)) / T))

    Its gradient by log p_specific(x) is sigmoid(...) / T: it fades where the specific model finds an image
    several T nats less likely than the general one does, so that no image is pushed away without end.

    Args:
        log_prob: log p_specific of general images, in nats, any shape.
        general_log_prob: log p_general of the same images, without gradient.
        temperature: T, in nats.

    References:
        Schirrmeister et al. (2020), outlier loss; docs/training.md, equation 2.
    """
    return F.softplus((log_prob - general_log_prob) / temperature)


def margin_losses(log_prob: Tensor, inside_log_prob: Tensor, margin: float) -> Tensor:
    """Return by how many nats each general image is not yet `margin` less likely than its partner.

        max(0, margin + log p(x_general) - log p(x_inside))

    Args:
        log_prob: log p_specific of general images, in nats, any shape.
        inside_log_prob: log p_specific of as many in-distribution images, taken as constant.
        margin: in nats; the number of dimensions in both papers.

    References:
        Deep anomaly detection with outlier exposure (Hendrycks et al., 2019), density estimation; the
        comparison with it in Schirrmeister et al. (2020); docs/training.md, equation 3.
    """
    return F.relu(margin + log_prob - inside_log_prob.detach())


def wrong_class_losses(
    class_log_probs: Tensor, labels: Tensor, general_log_prob: Tensor, temperature: float
) -> Tensor:
    """Return, for each image, the sum of `outlier_losses` over the classes that it does not belong to.

    Args:
        class_log_probs: log p(x|y) of every class, (B, C), in nats.
        labels: class of each image, int64 (B,).
        general_log_prob: log p_general(x), (B,), without gradient.
        temperature: T, in nats.

    References:
        Schirrmeister et al. (2020), class-conditional Glow; docs/training.md, equation 6.
    """
    losses = outlier_losses(class_log_probs, general_log_prob[:, None], temperature)
    right = F.one_hot(labels, class_log_probs.shape[1]).bool()
    return losses.masked_fill(right, 0.0).sum(dim=1)
