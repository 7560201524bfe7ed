"""Elementwise functions: every image gets its own copy of the parameter, and autograd does the rest."""

from __future__ import annotations

from functools import partial
from itertools import zip_longest
from typing import Any

import torch
from torch import Tensor

from anomaly_methods.extractors.gradient_norms.calls import Call
from anomaly_methods.extractors.gradient_norms.kinds import Kind, tensors_in
from anomaly_methods.extractors.gradient_norms.parameters import groups_of
from anomaly_methods.extractors.gradient_norms.per_group import DenseGradient
from anomaly_methods.extractors.gradient_norms.trace import Trace, Use

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
    tensors, kinds = tensors_in((call.args, call.kwargs)), call.trace.kinds
    shape = _common_shape(tensors)
    if not _rows_are_images(call.trace, tensors, shape):
        return call.give_up(f"{call.name} meets images that are not the rows of a batch")
    copies: dict[int, Tensor] = {}
    for root in filter(kinds.is_root, tensors):
        copy = _copies(call.trace, root, shape)
        if copy is None:
            return call.give_up(f"{call.name} meets a parameter with rows of its own")
        copies[id(root)] = copy
    return call.run_replaced(lambda root: copies[id(root)])


def _common_shape(tensors: list[Tensor]) -> tuple[int, ...]:
    """Return the shape that the tensors are broadcast to."""
    sides = zip_longest(*(reversed(tensor.shape) for tensor in tensors), fillvalue=1)
    return tuple(reversed([max(side) for side in sides]))


def _rows_are_images(trace: Trace, tensors: list[Tensor], shape: tuple[int, ...]) -> bool:
    """Whether the first dimension of the result is that of the images, each with equally many rows."""
    return len(shape) > 0 and all(
        tensor.dim() == len(shape) and tensor.shape[0] == shape[0] and shape[0] % trace.images == 0
        for tensor in tensors
        if trace.kinds.of(tensor) is Kind.SAMPLE
    )


def _copies(trace: Trace, root: Tensor, shape: tuple[int, ...]) -> Tensor | None:
    """Return the root with its own copy for every row of `shape`, or None where it cannot be."""
    source, rows = trace.source(root), shape[0]
    values, missing = source.detach(), len(shape) - source.dim()
    if missing:
        values = values.reshape(*([1] * missing), *source.shape)
    if values.shape[0] == 1:
        return trace.copies(values, rows, partial(_deliver_summed, trace, trace.use(source)))
    if values.shape[0] == rows:
        return trace.copies(values, rows, partial(_deliver_own_rows, trace, trace.use(source)))
    return None


def _deliver_summed(trace: Trace, use: Use, gradient: Tensor) -> None:
    per_group = groups_of(gradient, trace.groups).reshape(trace.groups, *use.root.shape)
    trace.deliver(use, DenseGradient(per_group))


def _deliver_own_rows(trace: Trace, use: Use, gradient: Tensor) -> None:
    """Deliver (groups, rows, ...): for each group the gradient of its own rows, and zeros."""
    rows, groups = len(gradient), trace.groups
    owner = torch.arange(rows, device=gradient.device) // (rows // groups)
    own = owner == torch.arange(groups, device=gradient.device)[:, None]
    own = own.reshape(groups, rows, *(1 for _ in gradient.shape[1:]))
    trace.deliver(use, DenseGradient(torch.where(own, gradient, 0)))
