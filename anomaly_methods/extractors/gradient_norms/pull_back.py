"""From gradients of what is computed from parameters to those of the parameters, for all groups at once."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["pull_back"]


def pull_back(
    roots: Sequence[Tensor], gradients: Sequence[Tensor], parameters: Sequence[Tensor]
) -> list[Tensor]:
    """Multiply each group's gradients by the Jacobian of the roots.

    Args:
        roots: tensors that were computed from the parameters, or are parameters; one may come several times.
        gradients: one for each root and group, (groups, *root.shape).
        parameters: whose gradients are wanted.

    Returns:
        One (groups, *parameter.shape) for each parameter.
    """
    groups = len(gradients[0])
    found: Sequence[Tensor | None]
    try:
        found = list(
            torch.autograd.grad(
                roots, parameters, gradients, retain_graph=True, allow_unused=True, is_grads_batched=True
            )
        )
    except RuntimeError:  # some function on the way cannot be batched
        found = list(_group_by_group(roots, gradients, parameters))
    return [
        parameter.new_zeros(groups, *parameter.shape) if gradient is None else gradient
        for parameter, gradient in zip(parameters, found, strict=True)
    ]


def _group_by_group(
    roots: Sequence[Tensor], gradients: Sequence[Tensor], parameters: Sequence[Tensor]
) -> tuple[Tensor, ...]:
    rows = [
        torch.autograd.grad(roots, parameters, group, retain_graph=True, materialize_grads=True)
        for group in zip(*gradients, strict=True)
    ]
    return tuple(torch.stack(column) for column in zip(*rows, strict=True))
