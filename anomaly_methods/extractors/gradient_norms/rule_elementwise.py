"""Elementwise functions: every image gets its own copy of the parameter, and autograd does the rest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from anomaly_methods.extractors.gradient_norms.calls import Call
from anomaly_methods.extractors.gradient_norms.kinds import Kind, tensors_in
from anomaly_methods.extractors.gradient_norms.parameters import groups_of
from anomaly_methods.extractors.gradient_norms.per_group import DenseGradient
from anomaly_methods.extractors.gradient_norms.trace import Trace

__all__ = ["ELEMENTWISE", "elementwise"]

_NAMES = [
    "add",
    "sub",
    "mul",
    "div",
    "true_divide",
    "divide",
    "multiply",
    "subtract",
    "rsub",
    "pow",
    "maximum",
    "minimum",
    "fmax",
    "fmin",
    "addcmul",
    "addcdiv",
    "lerp",
    "logaddexp",
    "logaddexp2",
    "atan2",
    "xlogy",
    "hypot",
    "clamp",
    "clamp_min",
    "clamp_max",
    "where",
    "eq",
    "ne",
    "lt",
    "le",
    "gt",
    "ge",
    "isclose",
]
ELEMENTWISE = frozenset(
    form for name in _NAMES for form in (name, f"{name}_", f"__{name}__", f"__r{name}__", f"__i{name}__")
) | {"__truediv__", "__rtruediv__", "__itruediv__", "broadcast_tensors"}


def elementwise(call: Call) -> Any:
    """Run an elementwise function with a copy of each root for every row of the images.

    The gradient of the copies is what broadcasting would have summed.
    """
    tensors = tensors_in((call.args, call.kwargs))
    shape = torch.broadcast_shapes(*(tensor.shape for tensor in tensors))
    if not _rows_are_images(call.trace, tensors, shape):
        return call.give_up(f"{call.name} meets images that are not the rows of a batch")
    copies = [_copies(call.trace, root, shape) for root in call.roots]
    if any(copy is None for copy in copies):
        return call.give_up(f"{call.name} meets a parameter with rows of its own")
    by_root = {id(root): copy for root, copy in zip(call.roots, copies, strict=True) if copy is not None}
    return call.run(lambda root: by_root[id(root)])


def _rows_are_images(trace: Trace, tensors: list[Tensor], shape: torch.Size) -> bool:
    """Whether the first dimension of the result is that of the images, each with equally many rows."""
    samples = [tensor for tensor in tensors if trace.kinds.of(tensor) is Kind.SAMPLE]
    return len(shape) > 0 and all(
        tensor.dim() == len(shape) and tensor.shape[0] == shape[0] and shape[0] % trace.images == 0
        for tensor in samples
    )


def _copies(trace: Trace, root: Tensor, shape: torch.Size) -> Tensor | None:
    """Return the root with its own copy for every row of `shape`, or None where it cannot be."""
    source, rows = trace.source(root), shape[0]
    missing = len(shape) - source.dim()
    values = source.detach().reshape(*([1] * missing), *source.shape)
    use, groups = trace.use(source), trace.groups
    if values.shape[0] == 1:
        return trace.copies(values, rows, _summed(trace, use, source.shape))
    if values.shape[0] == rows:
        return trace.copies(values, rows, lambda g: trace.deliver(use, DenseGradient(_own_rows(g, groups))))
    return None


def _summed(trace: Trace, use: Any, shape: torch.Size) -> Callable[[Tensor], None]:
    def deliver(gradient: Tensor) -> None:
        per_group = groups_of(gradient, trace.groups).reshape(trace.groups, *shape)
        trace.deliver(use, DenseGradient(per_group))

    return deliver


def _own_rows(gradient: Tensor, groups: int) -> Tensor:
    """Return (groups, rows, ...): for each group the gradient of its own rows, and zeros."""
    rows = len(gradient)
    owner = torch.arange(rows, device=gradient.device) // (rows // groups)
    own = owner == torch.arange(groups, device=gradient.device)[:, None]
    return torch.where(own.reshape(groups, rows, *(1 for _ in gradient.shape[1:])), gradient, 0)
