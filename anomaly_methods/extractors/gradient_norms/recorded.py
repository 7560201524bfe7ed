"""A recorded list of functions, which is run on other images than it was recorded with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from torch import Tensor

__all__ = ["DecisionError", "Recorded", "Step", "require"]


class DecisionError(Exception):
    """A recorded computation came to a decision that is another one for these images."""


class Step(NamedTuple):
    """One call of a function. Places are numbers of values.

    Args:
        func: the function.
        args: places of its positional arguments.
        kwargs: places of its keyword arguments, by name.
        result: place of what it returns.
    """

    func: Callable[..., Any]
    args: tuple[int, ...]
    kwargs: tuple[tuple[str, int], ...]
    result: int


class Recorded:
    """Functions in the order of their calls.

    Args:
        values: constants at their places; the images have place 0.
        steps: the calls.
        outputs: places of the results, by name.
    """

    def __init__(self, values: Sequence[Any], steps: Sequence[Step], outputs: Mapping[str, int]) -> None:
        self._values = list(values)
        self._outputs = dict(outputs)
        self._steps = [(*step, unused) for step, unused in zip(steps, self._unused_after(steps), strict=True)]

    def run(self, x: Tensor) -> dict[str, Tensor]:
        """Return the results for images of the shape, type and place of those that were recorded.

        Raises:
            DecisionError: see there.
        """
        values = self._values.copy()
        values[0] = x
        value_at = values.__getitem__
        for func, args, kwargs, result, unused in self._steps:
            if kwargs:
                values[result] = func(*map(value_at, args), **{name: values[place] for name, place in kwargs})
            else:
                values[result] = func(*map(value_at, args))
            for place in unused:
                values[place] = None
        return {name: values[place] for name, place in self._outputs.items()}

    def _unused_after(self, steps: Sequence[Step]) -> list[list[int]]:
        """Return for each step the places of computed values that nobody asks for afterwards."""
        computed = {0, *(step.result for step in steps)}
        asked = set(self._outputs.values())
        unused: list[list[int]] = []
        for step in reversed(steps):
            touched = {*step.args, *(place for _, place in step.kwargs), step.result} & computed
            unused.append(sorted(touched - asked))
            asked |= touched
        return unused[::-1]


def require(found: object, expected: object) -> None:
    """Stop where a decision is not as it was recorded.

    Raises:
        DecisionError: it is not.
    """
    if found is not expected:
        raise DecisionError
