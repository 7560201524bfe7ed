"""An unpickler that knows tensors, plain containers and the names of layers, and calls nothing else."""

from __future__ import annotations

import pickle
from functools import cache
from typing import IO, Any, ClassVar

import torch

from invglow.legacy.codes import CODES
from invglow.legacy.limits import MOST_CLASSES, Bounded, Calls, checked_items, require_name
from invglow.legacy.records import Record, RefusedError, StorageType, StoredTensor, record_class

__all__ = ["DAMAGED", "RestrictedUnpickler", "Storage"]

# What a damaged pickle may raise.
DAMAGED = (
    pickle.UnpicklingError,
    EOFError,
    AttributeError,
    ImportError,
    IndexError,
    KeyError,
    TypeError,
    MemoryError,
    OverflowError,
    RecursionError,
    UnicodeDecodeError,
    ValueError,
)


class RestrictedUnpickler(pickle._Unpickler):
    """Reads pickles of published models.

    A pickle names functions and classes to call. Here every name that such a model needs leads to a class of
    this file that only collects what it is given, or to an inert record; no module is ever imported, and any
    other name is refused. All that a pickle can reach defines `__setstate__`, so that none of it can be
    changed. Python's own unpickler is the base, and not its faster twin in C, which lets a few bytes take all
    memory (for the place of a memo); it reads the 160 kB of a model of thirty layers in 23 ms. What a file of
    1 MB can make it do takes less than two seconds (`invglow.legacy.limits`).

    Args:
        file: positioned where the pickle begins.

    Attributes:
        storages: that were named so far, by their keys.
        calls: counts what calls were given so far.

    Raises:
        RefusedError: from `load`, when the pickle asks for another name or too much; nothing was executed.
    """

    dispatch: ClassVar[dict[int, Any]] = CODES

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(Bounded(file), encoding="utf-8")
        self.storages: dict[str, Storage] = {}
        self.calls = Calls()
        self._classes: set[str] = set()

    def find_class(self, module: str, name: str) -> Any:
        require_name(module, name)
        found = _KNOWN.get((module.replace("__builtin__", "builtins"), name))
        if found is not None:
            return found
        if module.startswith("invglow.") or (module, name) in _LAYERS:
            self._classes.add(f"{module}.{name}")
            if len(self._classes) > MOST_CLASSES:
                raise RefusedError(f"more than {MOST_CLASSES} kinds of layers")
            return _record_class(f"{module}.{name}")
        raise RefusedError(f"{module}.{name}")

    def persistent_load(self, pid: Any) -> Any:
        """Return what a pickle of torch keeps outside: a storage, or the class of a layer."""
        if isinstance(pid, tuple) and len(pid) in {5, 6} and pid[0] == "storage":
            if any(pid[5:]):
                raise RefusedError("a view of a storage, as torch wrote before version 0.4")
            storage = Storage(*pid[1:5])
            return self.storages.setdefault(storage.key, storage)
        if isinstance(pid, tuple) and len(pid) == 4 and pid[0] == "module" and _is_record_class(pid[1]):
            return pid[1]  # with the source code of the class, which is not looked at
        kind = pid[0] if isinstance(pid, tuple) and pid and isinstance(pid[0], str) else type(pid).__name__
        raise RefusedError(f"the outside object {kind[:40]!r}")


class _Inert:
    """What a pickle may call: it collects its arguments. It has no state to set."""

    def __setstate__(self, _: Any) -> None:
        raise RefusedError(f"the state of a {type(self).__name__}")


class Storage(_Inert):
    """Numbers that lie elsewhere in the file."""

    def __init__(self, kind: Any, key: Any, _location: Any, numel: Any) -> None:
        if not isinstance(kind, StorageType) or not isinstance(key, str):
            raise RefusedError("a storage of an unknown type")
        self.dtype, self.key, self.numel = kind.dtype, key, numel


class _Tensor(_Inert):
    """Stands in for `torch._utils._rebuild_tensor` and `_rebuild_tensor_v2`."""

    def __new__(cls, storage: Any, offset: Any, shape: Any, stride: Any, *_: Any) -> Any:
        if not isinstance(storage, Storage):
            raise RefusedError("a tensor without a storage")
        shape, stride = tuple(shape), tuple(stride)
        return StoredTensor(storage.key, storage.dtype, storage.numel, offset, shape, stride)


class _Parameter(_Inert):
    """Stands in for `torch._utils._rebuild_parameter`."""

    def __new__(cls, data: Any, *_: Any) -> Any:
        if not isinstance(data, StoredTensor):
            raise RefusedError("a parameter without a tensor")
        return data


class _Dict(dict[Any, Any]):
    """Stands in for `collections.OrderedDict`, whose further state (a version of each layer) is left out."""

    def __init__(self, items: Any = ()) -> None:
        super().__init__(checked_items(items))

    def __setstate__(self, _: Any) -> None:
        pass


class _Set(_Inert):
    """Stands in for `set`."""

    def __new__(cls, items: Any = ()) -> Any:
        return list(items)


class _Size(_Inert):
    """Stands in for `torch.Size`."""

    def __new__(cls, items: Any = ()) -> Any:
        return tuple(items)


@cache
def _record_class(qualified_name: str) -> type[Record]:
    return record_class(qualified_name)


def _is_record_class(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, Record)


_DTYPES = {
    "FloatStorage": torch.float32,
    "DoubleStorage": torch.float64,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}
_KNOWN: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): _Dict,
    ("builtins", "set"): _Set,
    ("torch", "Size"): _Size,
    ("torch._utils", "_rebuild_tensor"): _Tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _Tensor,
    ("torch._utils", "_rebuild_parameter"): _Parameter,
    **{("torch", name): StorageType(dtype) for name, dtype in _DTYPES.items()},
}
# Layers of torch in published models.
_LAYERS = {
    ("torch.nn.modules.container", "ModuleList"),
    ("torch.nn.modules.container", "Sequential"),
    ("torch.nn.modules.conv", "Conv2d"),
    ("torch.nn.modules.linear", "Linear"),
    ("torch.nn.modules.activation", "ReLU"),
}
