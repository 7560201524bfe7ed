"""Which parameters the autograd graph of a tensor leads to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from torch import Tensor

__all__ = ["Graph", "bits_of"]


class Graph:
    """What lies behind tensors, back to the parameters; parts that several of them share are walked once.

    A set of parameters is one number, with a bit for each: there are thousands of nodes, and a container for
    every one of them would keep Python's garbage collector busy.

    Args:
        parameters: the tensors to look for.
    """

    def __init__(self, parameters: Iterable[Tensor]) -> None:
        self._bits = {id(parameter): 1 << place for place, parameter in enumerate(parameters)}
        self._known: dict[Any, int] = {}

    def leaves(self, tensor: Tensor) -> int:
        """Return the parameters that `tensor` is computed from; it must stay alive while this is used."""
        if tensor.grad_fn is None:
            return self._bits.get(id(tensor), 0)
        return self._behind(tensor.grad_fn)

    def _behind(self, start: Any) -> int:
        known, stack = self._known, [start]
        while stack:
            node = stack[-1]
            if node in known:
                stack.pop()
                continue
            found, is_complete = 0, True
            for function, _ in node.next_functions:
                if function is None:
                    continue
                behind = known.get(function)
                if behind is None:
                    stack.append(function)
                    is_complete = False
                else:
                    found |= behind
            if is_complete:
                stack.pop()
                known[node] = found | self._own(node)
        return known[start]

    def _own(self, node: Any) -> int:
        """Return the parameter whose gradient this node accumulates, if it is one of that kind."""
        return 0 if node.next_functions else self._bits.get(id(getattr(node, "variable", None)), 0)


def bits_of(number: int) -> Iterator[int]:
    """Yield the bits that are set, as numbers with one bit each."""
    while number:
        lowest = number & -number
        yield lowest
        number ^= lowest
