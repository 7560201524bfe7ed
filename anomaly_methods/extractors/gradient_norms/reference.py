"""The slow and obviously right way: one backward pass for each group of images."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from anomaly_methods.extractors.base import require_shape
from anomaly_methods.extractors.gradient_norms.parameters import group_count, trainable_parameters
from models.base import GenerativeModel

__all__ = ["reference_gradients", "reference_squared_norms"]


def reference_squared_norms(
    model: GenerativeModel, x: Tensor, group_size: int = 1, names: Iterable[str] | None = None
) -> dict[str, Tensor]:
    """Compute `squared_gradient_norms` with one forward and one backward pass per group.

    Every fast rule is tested against this function.

    Args:
        model: in evaluation mode.
        x: images (B, C, H, W), B a multiple of the group size.
        group_size: consecutive images whose log-likelihoods are summed.
        names: of the parameters to measure; all that require a gradient by default.

    Returns:
        {parameter name: (B // group_size,)}, float64.

    Raises:
        ValueError: the batch is no multiple of the group size, or log_prob is not (B,) or not differentiable.
    """
    parameters = _chosen(model, names)
    groups = x.tensor_split(group_count(len(x), group_size))
    rows = [
        torch.stack([gradient.double().square().sum() for gradient in gradients])
        for gradients in (_of_one_group(model, group, parameters) for group in groups)
    ]
    return dict(zip(parameters, torch.stack(rows, dim=1), strict=True))


def reference_gradients(
    model: GenerativeModel, x: Tensor, group_size: int = 1, names: Iterable[str] | None = None
) -> dict[str, Tensor]:
    """Return the gradients themselves, {parameter name: (B // group_size, *shape)}, all of them at once.

    Arguments and errors as for `reference_squared_norms`.
    """
    parameters = _chosen(model, names)
    groups = x.tensor_split(group_count(len(x), group_size))
    rows = [_of_one_group(model, group, parameters) for group in groups]
    return dict(zip(parameters, map(torch.stack, zip(*rows, strict=True)), strict=True))


def _chosen(model: GenerativeModel, names: Iterable[str] | None) -> dict[str, Tensor]:
    parameters = trainable_parameters(model)
    return parameters if names is None else {name: parameters[name] for name in names}


def _of_one_group(model: GenerativeModel, group: Tensor, parameters: dict[str, Tensor]) -> tuple[Tensor, ...]:
    with torch.enable_grad():
        log_prob = model.log_prob(group)
        require_shape(log_prob, (len(group),), "log_prob")
        if not log_prob.requires_grad:
            raise ValueError(
                f"log_prob of {type(model).__name__} is not differentiable by its parameters: let it neither "
                "detach nor leave torch, and evaluate nothing under torch.no_grad."
            )
        total = log_prob.sum()
        return torch.autograd.grad(total, list(parameters.values()), materialize_grads=True)
