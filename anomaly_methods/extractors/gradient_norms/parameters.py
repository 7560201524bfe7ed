"""Which tensors of a model are measured, and how images are counted in groups."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

__all__ = ["described_parameters", "group_count", "groups_of", "trainable_parameters"]


def trainable_parameters(model: nn.Module) -> dict[str, Tensor]:
    """Return {name: parameter} of all parameters that require a gradient, each tensor once.

    Raises:
        ValueError: if there is none.
    """
    found = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    if not found:
        raise ValueError(
            f"{type(model).__name__} has no parameter that requires a gradient: "
            "call requires_grad_(True) on the model to measure its gradients."
        )
    return dict(found)


def described_parameters(model: nn.Module) -> dict[str, dict[str, Any]]:
    """Return {name: numel, shape and module type} of every trainable parameter, in JSON types."""
    owners = {
        f"{prefix}.{name}" if prefix else name: type(module).__name__
        for prefix, module in model.named_modules()
        for name, _ in module.named_parameters(recurse=False)
    }
    return {
        name: {"numel": tensor.numel(), "shape": list(tensor.shape), "module": owners[name]}
        for name, tensor in trainable_parameters(model).items()
    }


def group_count(images: int, group_size: int) -> int:
    """Return how many whole groups there are.

    Raises:
        ValueError: if there is no image, or the last group is not whole.
    """
    if group_size < 1 or images < 1 or images % group_size:
        raise ValueError(
            f"The gradients of groups of {group_size} need a batch of at least one whole group and no image "
            f"left over, got {images} images: choose a batch that is a multiple of the group size."
        )
    return images // group_size


def groups_of(rows: Tensor, groups: int) -> Tensor:
    """Sum consecutive rows of a tensor (rows, ...) within each group: (groups, ...)."""
    if len(rows) == groups:
        return rows
    return rows.reshape(groups, len(rows) // groups, *rows.shape[1:]).sum(dim=1)
