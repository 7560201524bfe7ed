"""Functions of parameters that vmap would run group by group, written with others that it can batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

__all__ = ["batchable"]


def batchable(func: Callable[..., Any], name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call a function of parameters, or another that has the same values."""
    if kwargs or len(args) != 2:
        return func(*args, **kwargs)
    if name in {"tril", "triu"} and isinstance(args[1], int):
        return _triangle(func, *args)
    if name == "matmul" and args[0].dim() == 2 and args[1].dim() == 1:
        return (args[0] @ args[1][:, None])[:, 0]
    return func(*args)


def _triangle(func: Callable[..., Any], matrix: Tensor, diagonal: int) -> Tensor:
    inside: Tensor = func(torch.ones_like(matrix, requires_grad=False), diagonal)
    return matrix * inside
