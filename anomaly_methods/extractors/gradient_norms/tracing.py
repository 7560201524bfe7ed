"""Watching a forward pass: every call of torch in which images meet parameters goes to the rule for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from anomaly_methods.extractors.gradient_norms.batchable import batchable
from anomaly_methods.extractors.gradient_norms.calls import Call
from anomaly_methods.extractors.gradient_norms.kinds import Kind, tensors_in
from anomaly_methods.extractors.gradient_norms.rule_normalization import NORMALIZATION_ARGUMENTS
from anomaly_methods.extractors.gradient_norms.rules import rule_for
from anomaly_methods.extractors.gradient_norms.trace import Trace, UntraceableError

__all__ = ["Tracing"]

_EXPANDING = {"expand", "broadcast_to"}


class Tracing(TorchFunctionMode):
    """While it is entered, cut parameters off where images meet them, and note the place in the trace."""

    def __init__(self, trace: Trace) -> None:
        super().__init__()
        self.trace = trace

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        if name == "__get__":
            return self._attribute(func(*args, **kwargs), args[0])
        tensors = tensors_in(args) + tensors_in(kwargs.values()) if kwargs else tensors_in(args)
        kinds = [self.trace.kinds.of(tensor) for tensor in tensors]
        if Kind.SAMPLE in kinds:
            return self._with_images(Call(self, func, name, args, kwargs), tensors, kinds)
        if Kind.ROOT not in kinds:
            return func(*args, **kwargs)
        result = batchable(func, name, args, kwargs)
        self._of_parameters(name, args, result)
        return result

    def _attribute(self, value: Any, owner: Tensor) -> Any:
        """Return an attribute of a tensor, mostly its shape; a tensor such as `x.T` is of the same kind."""
        if isinstance(value, Tensor):
            self.trace.kinds.mark(value, self.trace.kinds.of(owner))
        return value

    def _with_images(self, call: Call, tensors: list[Tensor], kinds: list[Kind]) -> Any:
        _refuse_untraceable(call, self.trace)
        if Kind.ROOT in kinds:
            call.roots = [tensor for tensor in tensors if self.trace.kinds.is_root(tensor)]
            result = rule_for(call)(call)
        elif call.name in {"relu", "relu_"}:
            result = self.trace.rectify(call.args[0], lambda: call.func(*call.args, **call.kwargs))
        else:
            result = call.func(*call.args, **call.kwargs)
        for output in tensors_in((result,)):
            self.trace.kinds.mark(output, Kind.SAMPLE)
        if call.in_place:
            self.trace.kinds.mark(call.args[0], Kind.SAMPLE)
        return result

    def _of_parameters(self, name: str, args: tuple[Any, ...], result: Any) -> None:
        for output in tensors_in((result,)):
            self.trace.kinds.mark(output, Kind.ROOT)
        if not isinstance(result, Tensor) or not result.requires_grad:
            return
        if name == "mul" and len(args) == 2:
            self.trace.note_product(result, *args)
        elif name in _EXPANDING:
            self.trace.note_expansion(result, args[0])


def _refuse_untraceable(call: Call, trace: Trace) -> None:
    if call.name in {"grad", "backward"}:
        raise UntraceableError("its log_prob differentiates by itself")
    if call.in_place and trace.kinds.is_root(call.args[0]):
        raise UntraceableError(f"its log_prob writes images into parameters ({call.name})")
    if call.func is F.batch_norm and call.arguments(NORMALIZATION_ARGUMENTS["batch_norm"]).get("training"):
        raise ValueError(
            "This model normalizes images by statistics of their batch, so that none has a gradient of its "
            "own: put it into evaluation mode, with running statistics in its batch normalization."
        )
