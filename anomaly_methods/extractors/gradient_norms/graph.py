"""Which parameters a tensor's autograd graph leads to."""

from __future__ import annotations

from typing import Any

from torch import Tensor

__all__ = ["Leaves"]


class Leaves:
    """Finds the leaves of graphs; parts that several tensors share are walked once.

    Tensors must stay alive while it is used.
    """

    def __init__(self) -> None:
        self._known: dict[Any, dict[int, Tensor]] = {}

    def of(self, tensor: Tensor) -> dict[int, Tensor]:
        """Return {id: leaf} of all leaves that require a gradient and that `tensor` is computed from."""
        if tensor.grad_fn is None:
            return {id(tensor): tensor} if tensor.requires_grad else {}
        return self._behind(tensor.grad_fn)

    def _behind(self, start: Any) -> dict[int, Tensor]:
        stack = [start]
        while stack:
            node = stack[-1]
            if node in self._known:
                stack.pop()
                continue
            before = [function for function, _ in node.next_functions if function is not None]
            missing = [function for function in before if function not in self._known]
            if missing:
                stack += missing
                continue
            stack.pop()
            self._known[node] = _merged(node, [self._known[function] for function in before])
        return self._known[start]


def _merged(node: Any, before: list[dict[int, Tensor]]) -> dict[int, Tensor]:
    leaf = getattr(node, "variable", None)
    if isinstance(leaf, Tensor):
        return {id(leaf): leaf}
    if len(before) == 1:
        return before[0]
    return {key: value for leaves in before for key, value in leaves.items()}
