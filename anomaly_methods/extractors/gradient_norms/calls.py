"""One call of torch in which images take part, and what rules can do with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from torch import Tensor

from anomaly_methods.extractors.gradient_norms.kinds import tensors_in
from anomaly_methods.extractors.gradient_norms.trace import Trace

if TYPE_CHECKING:
    from anomaly_methods.extractors.gradient_norms.tracing import Tracing

__all__ = ["Call"]


class Call:
    """A function of torch with its arguments.

    Args:
        tracing: what caught it.
        func: the function.
        name: its short name, such as "conv2d", "add" or "add_".
        args: positional arguments.
        kwargs: keyword arguments.
    """

    __slots__ = ("args", "func", "kwargs", "name", "tracing")

    def __init__(
        self,
        tracing: Tracing,
        func: Callable[..., Any],
        name: str,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> None:
        self.tracing = tracing
        self.func = func
        self.name = name
        self.args = args
        self.kwargs = kwargs

    @property
    def trace(self) -> Trace:
        """Where uses are noted."""
        return self.tracing.trace

    @property
    def in_place(self) -> bool:
        """Whether it changes its first argument."""
        if self.name == "__setitem__":
            return True
        return self.name.endswith("_") and not self.name.endswith("__") and isinstance(self.args[0], Tensor)

    def arguments(self, names: tuple[str, ...]) -> dict[str, Any]:
        """Return all arguments by name, given those of the positional ones."""
        return dict(zip(names, self.args, strict=False)) | self.kwargs

    @property
    def roots(self) -> list[Tensor]:
        """The arguments that come from parameters alone."""
        return [tensor for tensor in tensors_in((self.args, self.kwargs)) if self.is_root(tensor)]

    def is_root(self, value: object) -> bool:
        """Whether a value is a tensor that comes from parameters alone."""
        return isinstance(value, Tensor) and self.trace.kinds.is_root(value)

    def run(self) -> Any:
        """Run the function."""
        return self.func(*self.args, **self.kwargs)

    def run_replaced(self, replace: Callable[[Tensor], Tensor]) -> Any:
        """Run the function with every root replaced."""
        args, kwargs = self._replaced(self.args, replace), self._replaced(self.kwargs, replace)
        return self.func(*args, **kwargs)

    def run_detached(self) -> Any:
        """Run the function with every root cut off from its parameters."""
        return self.run_replaced(Tensor.detach)

    def give_up(self, reason: str) -> Any:
        """Run the function and note that the gradients of its roots are not known."""
        for root in self.roots:
            self.trace.give_up(root, reason)
        return self.run_detached()

    def _replaced(self, value: Any, replace: Callable[[Tensor], Tensor]) -> Any:
        if isinstance(value, Tensor):
            return replace(value) if self.trace.kinds.is_root(value) else value
        if isinstance(value, dict):
            return {key: self._replaced(item, replace) for key, item in value.items()}
        if isinstance(value, list | tuple) and not hasattr(value, "_fields"):
            return type(value)([self._replaced(item, replace) for item in value])
        return value
