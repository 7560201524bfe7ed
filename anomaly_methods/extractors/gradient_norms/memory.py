"""What depends on the parameters alone, kept from one batch to the next."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from types import EllipsisType, NoneType
from typing import Any

import torch
from torch import Tensor

from anomaly_methods.extractors.gradient_norms.kinds import tensors_in
from anomaly_methods.extractors.gradient_norms.replays import Replays
from anomaly_methods.extractors.gradient_norms.routes import Routes
from anomaly_methods.extractors.gradient_norms.scratch import Scratch
from anomaly_methods.extractors.gradient_norms.trace import Use

__all__ = ["KeptCall", "Memory"]

Args = tuple[Any, ...]
Kwargs = dict[str, Any]
Autocast = tuple[bool, torch.dtype]

# Functions without chance, whose results depend on nothing but their arguments.
_PURE = {
    *("abs", "add", "clamp", "clone", "contiguous", "diag", "diag_embed", "diagonal", "div", "exp", "expand"),
    *("expm1", "flatten", "flip", "inv", "linalg_inv", "log", "log1p", "logsumexp", "matmul", "mean", "mm"),
    *("movedim", "mul", "mv", "neg", "norm", "permute", "pow", "reciprocal", "reshape", "rsqrt", "sigmoid"),
    *("slogdet", "linalg_slogdet", "softmax", "softplus", "log_softmax", "sqrt", "square", "squeeze", "sub"),
    *("sum", "t", "tanh", "to", "transpose", "tril", "triu", "true_divide", "unsqueeze", "view", "where"),
    *("__getitem__", "__add__", "__mul__", "__neg__", "__pow__", "__radd__", "__rmul__", "__rsub__"),
    *("__rtruediv__", "__sub__", "__truediv__", "__matmul__"),
}
_PLAIN = (int, float, str, NoneType, EllipsisType, torch.dtype, torch.device, torch.memory_format)


@dataclass(eq=False, slots=True)
class KeptCall:
    """One call of a function of parameters, and its result.

    Args:
        func: the function.
        args: positional arguments, each with its version if it is a tensor, or None.
        kwargs: keyword arguments, none of them a tensor.
        result: a tensor or tuple of tensors.
        results: these, each with its version.
        autocast: as in `_autocast`.
    """

    func: Callable[..., Any]
    args: tuple[tuple[Any, int | None], ...]
    kwargs: Kwargs
    result: Tensor | tuple[Any, ...]
    results: tuple[tuple[Tensor, int], ...]
    autocast: Autocast

    def is_again(self, args: Args, kwargs: Kwargs | None) -> bool:
        """Whether a call of the same function has the same arguments, and nothing was changed in place."""
        if len(args) != len(self.args):
            return False
        for now, (then, version) in zip(args, self.args, strict=False):
            if version is None:
                if now is not then and not _is_equal(now, then):
                    return False
            elif now is not then or now._version != version:
                return False
        for tensor, version in self.results:
            if tensor._version != version:
                return False
        if (kwargs or self.kwargs) and not _are_equal(kwargs or {}, self.kwargs):
            return False
        return torch.is_grad_enabled() and _autocast(self.results[0][0].device.type) == self.autocast


class Memory:
    """Keeps functions of the parameters alone, and what follows from them, for the next batch.

    A model computes the same such functions for every batch: folded weights, log-determinants. Here they are
    remembered in the order of the calls, each with its arguments; a call that is the next one in this order
    is not made again. Parameters, and buffers that they meet, are compared with copies before every batch: no
    version tells of a change through `parameter.data`. If any changed, everything is computed anew.

    One is for one model and one thread.
    """

    def __init__(self) -> None:
        self.scratch = Scratch()
        self.replays = Replays(self.scratch)
        self.expected: KeptCall | None = None
        self.roots: dict[int, Tensor] = {}  # results of the calls that are kept, by their ids
        self.sources: dict[tuple[int, int], Tensor] = {}  # of those that only repeat another, as in `Trace`
        self._state: object = None
        self._calls: list[KeptCall] = []  # of the last pass
        self._seen: list[KeptCall] | None = None  # of this one, from where it differs
        self._place = 0
        self._given: list[tuple[Tensor, Tensor]] = []  # what the calls begin with, and copies of its values
        self._watched: list[tuple[Tensor, Tensor]] = []  # the same of what else must not change
        self._routes: Routes | None = None

    def begin(self, parameters: Iterable[Tensor], device: torch.device) -> None:
        """Start a pass over a batch."""
        numbers = [(id(tensor), tensor._version, tensor.data_ptr()) for tensor in parameters]
        state = _autocast(device.type), numbers
        pairs = chain(self._given, self._watched)
        if state != self._state or not all(_is_as_it_was(*pair) for pair in pairs):
            self.forget()
        self._state, self._seen = state, None
        self._expect(0)

    def watch(self, tensors: Iterable[Tensor]) -> None:
        """Compare more tensors with copies before every batch, until something is found changed."""
        known = {id(tensor) for tensor, _ in chain(self._given, self._watched)}
        self._watched += [(tensor, tensor.detach().clone()) for tensor in tensors if id(tensor) not in known]

    def advance(self, call: KeptCall) -> None:
        """Expect the next call, since this one, which was expected, has come."""
        if self._seen is not None:
            self._seen.append(call)
        self._expect(self._place + 1)

    def note(self, func: Callable[..., Any], name: str, args: Args, kwargs: Kwargs, result: Any) -> None:
        """Remember a call that was not expected, if it can be."""
        if name not in _PURE or not _can_be_kept(args, kwargs, result):
            return
        if self._seen is None:  # up to here, all was as in the last pass
            self._seen = self._calls[: self._place]
        if self.expected is not None and func is self.expected.func:
            self._expect(self._place + 1)  # the same call with other arguments, most likely
        pairs = tuple((arg, arg._version if isinstance(arg, Tensor) else None) for arg in args)
        tensors = tensors_in((result,))
        results = tuple((tensor, tensor._version) for tensor in tensors)
        autocast = _autocast(tensors[0].device.type)
        self._seen.append(KeptCall(func, pairs, kwargs, result, results, autocast))

    def end(self, sources: Mapping[tuple[int, int], Tensor]) -> None:
        """Keep the calls of this pass for the next, and which of their results only repeat others."""
        if self._seen is None:
            return
        self._calls, self._seen = self._seen, None
        results = {id(tensor): tensor for call in self._calls for tensor, _ in call.results}
        self.roots = {key: tensor for key, tensor in results.items() if tensor.requires_grad}
        self.sources = {key: source for key, source in sources.items() if key[0] in self.roots}
        given = {id(arg): arg for call in self._calls for arg, version in call.args if version is not None}
        known = {id(tensor): copy for tensor, copy in self._given}
        self._given = [
            (tensor, known[key] if key in known else tensor.detach().clone())
            for key, tensor in given.items()
            if key not in results and tensor.is_leaf
        ]

    def forget(self) -> None:
        """Keep nothing, not even of the calls of this pass so far."""
        self._calls, self._seen, self._given, self._watched = [], [], [], []
        self.replays.forget()
        self._routes, self.roots, self.sources = None, {}, {}
        self._expect(0)

    def _expect(self, place: int) -> None:
        self._place = place
        self.expected = self._calls[place] if place < len(self._calls) else None

    def routes(self, uses: Sequence[Use], wanted: Collection[str], find: Callable[[], Routes]) -> Routes:
        """Return where the gradients of the uses go: as in the last pass, if its uses were the same."""
        if self._routes is None or not self._routes.are_for(uses, wanted):
            self._routes = find()
        return self._routes


def _autocast(device_type: str) -> Autocast:
    """Return whether functions on such a device compute in another type by themselves, and in which."""
    return torch.is_autocast_enabled(device_type), torch.get_autocast_dtype(device_type)


def _is_as_it_was(tensor: Tensor, copy: Tensor) -> bool:
    """Whether a tensor has the type, place and values of a copy."""
    return (tensor.dtype, tensor.device) == (copy.dtype, copy.device) and torch.equal(tensor, copy)


def _can_be_kept(args: Args, kwargs: Kwargs, result: Any) -> bool:
    if not (isinstance(result, Tensor | tuple) and torch.is_grad_enabled()):
        return False
    return all(map(_is_plain, kwargs.values())) and all(
        not arg.is_inference() if isinstance(arg, Tensor) else _is_plain(arg) for arg in args
    )


def _is_plain(value: object) -> bool:
    """Whether two such values are the same if they are equal, part by part."""
    if isinstance(value, tuple):
        return all(map(_is_plain, value))
    if isinstance(value, slice):
        return all(map(_is_plain, _parts(value)))
    return isinstance(value, _PLAIN)


def _is_equal(one: object, other: object) -> bool:
    """Whether values, of which the second is plain, are the same: 1, 1.0 and True are not."""
    if type(one) is not type(other):
        return False
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(_is_equal, one, other))
    if isinstance(one, slice) and isinstance(other, slice):
        return _is_equal(_parts(one), _parts(other))
    return one == other


def _are_equal(some: Kwargs, others: Kwargs) -> bool:
    return some.keys() == others.keys() and all(_is_equal(some[name], others[name]) for name in others)


def _parts(value: slice) -> tuple[Any, Any, Any]:
    return value.start, value.stop, value.step
