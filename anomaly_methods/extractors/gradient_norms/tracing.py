"""Watching a forward pass: every call of torch in which images meet parameters goes to the rule for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from anomaly_methods.extractors.gradient_norms.calls import Call
from anomaly_methods.extractors.gradient_norms.kinds import Kind
from anomaly_methods.extractors.gradient_norms.rule_normalization import NORMALIZATION_ARGUMENTS
from anomaly_methods.extractors.gradient_norms.rules import rule_for
from anomaly_methods.extractors.gradient_norms.trace import Trace, UntraceableError

__all__ = ["Tracing"]

_EXPANDING = {"expand", "broadcast_to"}
# What is looked at even where images are alone, as are functions that change them in place.
_SPECIAL = {"relu", "grad", "backward", "batch_norm"}
# What changes a tensor, such as its `data` or `requires_grad`, and not its version.
_UNNOTICED = {"__set__", "detach_", "requires_grad_"}


class Tracing(TorchFunctionMode):
    """While it is entered, cut parameters off where images meet them, and note the place in the trace.

    A forward pass makes thousands of calls, of which few need a rule: all others go by as fast as possible.
    """

    def __init__(self, trace: Trace) -> None:
        super().__init__()
        self.trace = trace
        self._kinds = trace.kinds
        self._memory = trace.memory

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kept = self._memory.expected
        if kept is not None and func is kept.func and kept.is_again(args, kwargs):
            self._memory.advance(kept)
            return kept.result
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        if name == "__get__":
            return self._attribute(func, func(*args, **kwargs), args[0])
        has_roots, has_images = self._kinds.among(args)
        if kwargs:
            roots, images = self._kinds.among(kwargs.values())
            has_roots, has_images = has_roots or roots, has_images or images
        if not has_images:
            result = func(*args, **kwargs)
            if has_roots:
                self._memory.note(func, name, args, kwargs, result)
                self._of_parameters(name, args, result)
            return result
        if has_roots:
            return self._of_both(Call(self, func, name, args, kwargs))
        if name in _SPECIAL or name[-1:] == "_":
            return self._of_images(Call(self, func, name, args, kwargs))
        result = func(*args, **kwargs)
        self._kinds.mark_images(result)
        return result

    def _attribute(self, getter: Callable[..., Any], value: Any, owner: Tensor) -> Any:
        """Return an attribute of a tensor, mostly its shape; a tensor such as `x.T` is of the same kind."""
        if isinstance(value, Tensor):
            kind = self._kinds.of(owner)
            if kind is Kind.ROOT:
                self._kinds.mark_roots(value)
                if getattr(getter, "__self__", None) is Tensor.data:
                    self._memory.forget()  # it may be written to, which no version tells
            elif kind is Kind.SAMPLE:
                self._kinds.mark_images(value)
        return value

    def _of_both(self, call: Call) -> Any:
        _refuse_untraceable(call)
        if call.in_place and self._kinds.is_root(call.args[0]):
            raise UntraceableError(f"its log_prob writes images into parameters ({call.name})")
        result = rule_for(call)(call)
        self._mark(call, result)
        return result

    def _of_images(self, call: Call) -> Any:
        _refuse_untraceable(call)
        if call.name in {"relu", "relu_"} and call.args:
            result = self.trace.rectify(call.args[0], call.run)
        else:
            result = call.run()
        self._mark(call, result)
        return result

    def _mark(self, call: Call, result: Any) -> None:
        self._kinds.mark_images(result)
        if call.in_place:
            self._kinds.mark_images(call.args[0])

    def _of_parameters(self, name: str, args: tuple[Any, ...], result: Any) -> None:
        self._kinds.mark_roots(result)
        if name in _UNNOTICED:
            self._memory.forget()
        if name in _EXPANDING and result.requires_grad:
            self.trace.note_expansion(result, args[0])


def _refuse_untraceable(call: Call) -> None:
    if call.name in {"grad", "backward"}:
        raise UntraceableError("its log_prob differentiates by itself")
    if call.func is F.batch_norm and call.arguments(NORMALIZATION_ARGUMENTS["batch_norm"]).get("training"):
        raise ValueError(
            "This model normalizes images by statistics of their batch, so that none has a gradient of its "
            "own: put it into evaluation mode, with running statistics in its batch normalization."
        )
