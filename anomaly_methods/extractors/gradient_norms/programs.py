"""What lies between roots and parameters, as steps that run for many graphs of one structure at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from anomaly_methods.extractors.gradient_norms.node_rules import NodeRule, Shapes, rule_for_node

__all__ = ["Compiled", "Program", "Programs", "compiled"]


class Step(NamedTuple):
    """One node of a graph.

    Args:
        rule: for it.
        settings: what changes its backward pass, apart from tensors.
        saved: shapes of the tensors that its rule names, None for those that are not there.
        before: the steps of its arguments, or parameters from -1 down; None if they need no gradient.
        shapes: of its arguments, None in the same way.
    """

    rule: NodeRule
    settings: tuple[Any, ...]
    saved: Shapes
    before: tuple[int | None, ...]
    shapes: Shapes


class Program(NamedTuple):
    """The structure of a graph without its tensors: graphs with equal programs can run together.

    Args:
        roots: where gradients come in: the step or parameter, and shape, type and device of the gradient.
        steps: each after those of its arguments.
        parameters: how many there are.
    """

    roots: tuple[tuple[int, torch.Size, torch.dtype, torch.device], ...]
    steps: tuple[Step, ...]
    parameters: int

    def run(self, saved: Sequence[Tensor], gradients: Sequence[Sequence[Tensor]]) -> list[Tensor]:
        """Pull gradients back through several graphs.

        Args:
            saved: the tensors of the graphs, (graphs, *shape).
            gradients: for each graph, those of its roots, (groups, *shape).

        Returns:
            For each parameter (graphs, groups, *shape).
        """
        tensors = list(saved)
        arrived: dict[int, Tensor] = {}
        for (root, *_), column in zip(self.roots, zip(*gradients, strict=True), strict=True):
            _add(arrived, root, _stacked(column))
        for number in reversed(range(len(self.steps))):
            step = self.steps[number]
            values = [None if shape is None else tensors.pop() for shape in reversed(step.saved)]
            parts = step.rule.backward(arrived.pop(number), values[::-1], step.settings, step.shapes)
            for before, shape, part in zip(step.before, step.shapes, parts, strict=True):
                if before is not None and shape is not None and part is not None:
                    _add(arrived, before, _summed_to(part, shape))
        return [arrived[-1 - number] for number in range(self.parameters)]


class Compiled(NamedTuple):
    """A graph: its structure, its tensors, and the ids of its parameters, in their order."""

    program: Program
    saved: list[Tensor]
    parameters: list[int]


class Programs:
    """Compiled graphs that stay the same for many batches, and what can be prepared for all of these.

    The roots that it is asked for must stay alive.
    """

    def __init__(self) -> None:
        self._compiled: dict[tuple[int, ...], Compiled | None] = {}
        self._structures: dict[Program, Program] = {}
        self._saved: dict[tuple[int, ...], list[Tensor]] = {}

    def compiled(self, roots: Sequence[Tensor]) -> Compiled | None:
        """Return the graph behind some roots, or None; graphs of equal structure share their program."""
        key = tuple(map(id, roots))
        if key not in self._compiled:
            graph = compiled(roots)
            if graph is not None:
                graph = graph._replace(program=self._structures.setdefault(graph.program, graph.program))
            self._compiled[key] = graph
        return self._compiled[key]

    def saved(self, graphs: Sequence[Compiled]) -> list[Tensor]:
        """Return the tensors of some of these graphs, of one structure, as `Program.run` takes them."""
        key = tuple(map(id, graphs))
        if key not in self._saved:
            columns = zip(*(graph.saved for graph in graphs), strict=True)
            self._saved[key] = [_stacked(column) for column in columns]
        return self._saved[key]


class _NoRuleError(Exception):
    """A function of parameters has no rule."""


def compiled(roots: Sequence[Tensor]) -> Compiled | None:
    """Return the graph behind some roots, or None if it has a function without a rule."""
    compiler = _Compiler()
    try:
        places = [(compiler.place_of_root(root), root.shape, root.dtype, root.device) for root in roots]
    except (_NoRuleError, AttributeError):  # or its nodes keep nothing under the names of this torch
        return None
    program = Program(tuple(places), tuple(compiler.steps), len(compiler.parameters))
    return Compiled(program, compiler.saved, list(compiler.parameters))


class _Compiler:
    """Walks graphs, each node after its arguments."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.saved: list[Tensor] = []
        self.parameters: dict[int, int] = {}  # id -> -1 and down
        self._numbers: dict[Any, int] = {}

    def place_of_root(self, root: Tensor) -> int:
        if root.grad_fn is None:
            return self._place_of_parameter(root)
        self._walk(root.grad_fn)
        return self._place(root.grad_fn, root.output_nr)

    def _walk(self, start: Any) -> None:
        numbers, stack = self._numbers, [start]
        while stack:
            node, is_complete = stack[-1], True
            if node in numbers:
                stack.pop()
                continue
            for function, _ in node.next_functions:
                if function is not None and function not in numbers:
                    if function.next_functions:
                        stack.append(function)
                        is_complete = False
                    elif hasattr(function, "variable"):
                        numbers[function] = self._place_of_parameter(function.variable)
                    else:
                        raise _NoRuleError
            if is_complete:
                stack.pop()
                self._take(node)

    def _take(self, node: Any) -> None:
        rule = rule_for_node(node.name())
        if rule is None:
            raise _NoRuleError
        before: list[int | None] = []
        shapes: list[tuple[int, ...] | None] = []
        for function, result in node.next_functions:
            before.append(None if function is None else self._place(function, result))
            shapes.append(None if function is None else tuple(function._input_metadata[result].shape))
        values = [getattr(node, name) for name in rule.saved]
        self.saved += [value for value in values if value is not None]
        settings = tuple([getattr(node, name) for name in rule.settings])
        self._numbers[node] = len(self.steps)
        saved = tuple([None if value is None else value.shape for value in values])
        self.steps.append(Step(rule, settings, saved, tuple(before), tuple(shapes)))

    def _place(self, node: Any, result: int) -> int:
        """Return where one of the results of a node has its gradient; rules know one of them."""
        number = self._numbers[node]
        if number >= 0 and self.steps[number].rule.result != result:
            raise _NoRuleError
        return number

    def _place_of_parameter(self, parameter: Tensor) -> int:
        return self.parameters.setdefault(id(parameter), -1 - len(self.parameters))


def _add(sums: dict[int, Tensor], place: int, gradient: Tensor) -> None:
    sums[place] = sums[place] + gradient if place in sums else gradient


def _stacked(tensors: Sequence[Tensor]) -> Tensor:
    return tensors[0][None] if len(tensors) == 1 else torch.stack(list(tensors))


def _summed_to(g: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Sum over what was broadcast: (graphs, groups, *more) to (graphs, groups, *shape)."""
    if g.shape[2:] == shape:
        return g
    extra = g.dim() - 2 - len(shape)
    if extra:
        g = g.flatten(2, extra + 1).sum(dim=2)
    ones = [i + 2 for i, side in enumerate(shape) if side == 1 and g.shape[i + 2] != 1]
    return g.sum(dim=ones, keepdim=True) if ones else g
