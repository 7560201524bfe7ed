"""The backward passes of common functions of parameters, for many gradients at once.

All gradients have two dimensions in front, (graphs, groups, *shape): graphs of one structure are taken
together, for all groups of images.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from anomaly_methods.extractors.gradient_norms.products import product

__all__ = ["NodeRule", "rule_for_node"]

Shapes = tuple[tuple[int, ...] | None, ...]
Gradients = tuple[Tensor | None, ...]
Saved = Sequence[Tensor | None]


Backward = Callable[[Tensor, Saved, tuple[Any, ...], Shapes], Gradients]


class NodeRule(NamedTuple):
    """How the gradient passes a node of an autograd graph.

    Args:
        backward: from the gradient of the result, what the node saved, its settings, and the shapes of its
            arguments (None for those that need no gradient), to the gradients of the arguments. An argument
            that was broadcast gets the gradient of what it was broadcast to.
        saved: names of the tensors that it saved; passed as (graphs, *shape).
        settings: names of the other things that it saved.
        result: whose gradient it takes, for functions with several.
    """

    backward: Backward
    saved: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    result: int = 0


def rule_for_node(name: str) -> NodeRule | None:
    """Return the rule for a kind of node, by its name, if there is one."""
    return _RULES.get(name)


def _add(g: Tensor, _saved: Saved, settings: tuple[Any, ...], _shapes: Shapes) -> Gradients:
    return g, g if settings[0] == 1 else g * settings[0]


def _sub(g: Tensor, _saved: Saved, settings: tuple[Any, ...], _shapes: Shapes) -> Gradients:
    return g, g * -settings[0]


def _mul(g: Tensor, saved: Saved, _settings: tuple[Any, ...], _shapes: Shapes) -> Gradients:
    one, other = (None if value is None else _aligned(value, g) for value in saved)
    return None if other is None else g * other, None if one is None else g * one


def _div(g: Tensor, saved: Saved, _settings: tuple[Any, ...], _shapes: Shapes) -> Gradients:
    one, other = (None if value is None else _aligned(value, g) for value in saved)
    if other is None:
        return None, None
    quotient = g / other
    return quotient, None if one is None else -quotient * (one / other)


def _pow(g: Tensor, saved: Saved, settings: tuple[Any, ...], _shapes: Shapes) -> Gradients:
    base, exponent = saved[0], settings[0]
    return (None if base is None else g * _aligned(exponent * base.pow(exponent - 1), g),)


def _mm(g: Tensor, saved: Saved, _settings: tuple[Any, ...], _shapes: Shapes) -> Gradients:
    one, other = saved
    graphs, groups, rows, columns = g.shape
    before: list[Tensor | None] = [None, None]
    if other is not None:
        straight = _products(g.reshape(graphs, groups * rows, columns), other.transpose(1, 2))
        before[0] = straight.unflatten(1, (groups, rows))
    if one is not None:
        turned = _products(g.transpose(2, 3).reshape(graphs, groups * columns, rows), one)
        before[1] = turned.unflatten(1, (groups, columns)).transpose(2, 3)
    return tuple(before)


def _products(one: Tensor, other: Tensor) -> Tensor:
    """Multiply the matrices of each graph."""
    return product(one[0], other[0])[None] if len(one) == 1 else torch.bmm(one, other)


def _mv(g: Tensor, saved: Saved, _settings: tuple[Any, ...], _shapes: Shapes) -> Gradients:
    matrix, vector = saved
    return (
        None if vector is None else g[..., None] * vector[:, None, None],
        None if matrix is None else torch.bmm(g, matrix),
    )


def _slogdet(g: Tensor, saved: Saved, _settings: tuple[Any, ...], _shapes: Shapes) -> Gradients:
    matrix = saved[0]
    return (None if matrix is None else g[..., None, None] * torch.linalg.inv(matrix).mT[:, None],)


def _diagonal(g: Tensor, _saved: Saved, settings: tuple[Any, ...], _shapes: Shapes) -> Gradients:
    offset, *dims = map(_signed, settings)
    first, second = (dim + 2 if dim >= 0 else dim for dim in dims)
    return (g.diagonal(offset, first, second),)


def _sum(g: Tensor, _saved: Saved, _settings: tuple[Any, ...], shapes: Shapes) -> Gradients:
    shape = shapes[0] or ()
    return (g.reshape(*g.shape, *(1 for _ in shape)).expand(*g.shape, *shape),)


def _reshape(g: Tensor, _saved: Saved, _settings: tuple[Any, ...], shapes: Shapes) -> Gradients:
    return (g.reshape(*g.shape[:2], *(shapes[0] or ())),)


def _unchanged(g: Tensor, _saved: Saved, _settings: tuple[Any, ...], _shapes: Shapes) -> Gradients:
    return (g,)


def _times(
    factor: Callable[[Tensor], Tensor],
) -> Callable[[Tensor, Saved, tuple[Any, ...], Shapes], Gradients]:
    """Return the backward pass of an elementwise function, given its derivative by what it saved."""

    def backward(g: Tensor, saved: Saved, _settings: tuple[Any, ...], _shapes: Shapes) -> Gradients:
        value = saved[0]
        return (None if value is None else g * _aligned(factor(value), g),)

    return backward


def _aligned(value: Tensor, g: Tensor) -> Tensor:
    """Write (graphs, *shape) so that it can be broadcast to a gradient (graphs, groups, *larger shape)."""
    missing = g.dim() - value.dim()
    return value.to(g.dtype).reshape(value.shape[0], *([1] * missing), *value.shape[1:])


def _signed(number: int) -> int:
    """Undo that a negative number was read as one without a sign."""
    return number - (1 << 64) if number >> 63 else number


_FACTORS = ("_saved_self", "_saved_other")
_RULES: dict[str, NodeRule] = {
    "AddBackward0": NodeRule(_add, (), ("_saved_alpha",)),
    "SubBackward0": NodeRule(_sub, (), ("_saved_alpha",)),
    "MulBackward0": NodeRule(_mul, _FACTORS),
    "DivBackward0": NodeRule(_div, _FACTORS),
    "PowBackward0": NodeRule(_pow, ("_saved_self",), ("_saved_exponent",)),
    "ReciprocalBackward0": NodeRule(_times(lambda result: -result.square()), ("_saved_result",)),
    "NegBackward0": NodeRule(lambda g, *_: (-g,)),
    "ExpBackward0": NodeRule(_times(lambda result: result), ("_saved_result",)),
    "LogBackward0": NodeRule(_times(torch.reciprocal), ("_saved_self",)),
    "SigmoidBackward0": NodeRule(_times(lambda result: result * (1 - result)), ("_saved_result",)),
    "TanhBackward0": NodeRule(_times(lambda result: 1 - result.square()), ("_saved_result",)),
    "MmBackward0": NodeRule(_mm, ("_saved_self", "_saved_mat2")),
    "MvBackward0": NodeRule(_mv, ("_saved_self", "_saved_vec")),
    "LinalgSlogdetBackward0": NodeRule(_slogdet, ("_saved_A",), result=1),
    "TrilBackward0": NodeRule(lambda g, _, k, __: (g.tril(_signed(k[0])),), (), ("_saved_diagonal",)),
    "TriuBackward0": NodeRule(lambda g, _, k, __: (g.triu(_signed(k[0])),), (), ("_saved_diagonal",)),
    "DiagEmbedBackward0": NodeRule(_diagonal, (), ("_saved_offset", "_saved_dim1", "_saved_dim2")),
    "TBackward0": NodeRule(lambda g, *_: (g.transpose(2, 3) if g.dim() == 4 else g,)),
    "SumBackward0": NodeRule(_sum),
    "ExpandBackward0": NodeRule(_unchanged),
    "CloneBackward0": NodeRule(_unchanged),
    **{f"{name}Backward0": NodeRule(_reshape) for name in ("View", "UnsafeView", "Unsqueeze", "Squeeze")},
}
