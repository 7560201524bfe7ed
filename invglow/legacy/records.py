"""What a published pickle becomes: inert records of its objects, and tensors that were not read yet."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import torch

__all__ = ["Record", "RefusedError", "StorageType", "StoredTensor", "record_class"]


# Of a tensor: torch's own limits.
MOST_DIMENSIONS, LARGEST = 64, 2**63


class RefusedError(Exception):
    """Says what was asked for; no `ValueError`, so that it is never taken for a damaged file."""


class Record:
    """An object of a class that is not known here: the state it was saved with, and nothing that it did.

    Attributes:
        qualified_name: module and name of its class.
        state: its attributes.
    """

    qualified_name: ClassVar[str] = ""
    state: dict[str, Any]

    def __new__(cls, *_: Any) -> Record:
        record = super().__new__(cls)
        object.__setattr__(record, "state", {})
        return record

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, dict):
            raise RefusedError(f"a state of {self.qualified_name} that is no dictionary")
        object.__setattr__(self, "state", state)

    def __setattr__(self, name: str, value: Any) -> None:
        raise RefusedError(f"setting {name} of {self.qualified_name}")


def record_class(qualified_name: str) -> type[Record]:
    """Return a class whose instances say which class they stand for."""
    return type("Record", (Record,), {"qualified_name": qualified_name})


class StorageType:
    """Stands in for a class of storages, such as `torch.FloatStorage`: the type of its numbers."""

    __slots__ = ("dtype",)

    def __init__(self, dtype: torch.dtype) -> None:
        self.dtype = dtype

    def __setstate__(self, _: Any) -> None:
        raise RefusedError("the state of a type of storage")


@dataclass(frozen=True)
class StoredTensor:
    """Where a tensor lies in a file.

    Attributes:
        key: of its storage.
        dtype: of its numbers.
        storage_numel: numbers in the whole storage.
        offset: of its first number in the storage.
        shape: of the tensor.
        stride: in numbers, for each dimension.

    Raises:
        RefusedError: if it reaches beyond its storage, or has more numbers.
    """

    key: str
    dtype: torch.dtype
    storage_numel: int
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.shape) > MOST_DIMENSIONS or len(self.stride) > MOST_DIMENSIONS:
            raise RefusedError(f"a tensor of {len(self.shape)} dimensions")
        whole = [self.storage_numel, self.offset, *self.shape, *self.stride]
        plain = all(type(number) is int and 0 <= number < LARGEST for number in whole)
        if not plain or len(self.shape) != len(self.stride):
            raise RefusedError("a tensor of an impossible shape")
        if self.numel > self.storage_numel or self.offset + self.span > self.storage_numel:
            raise RefusedError(f"a tensor of shape {self.shape} in a storage of {self.storage_numel} numbers")

    def __setstate__(self, _: Any) -> None:
        raise RefusedError("the state of a tensor")

    @property
    def numel(self) -> int:
        """How many numbers it has."""
        return math.prod(self.shape)

    @property
    def span(self) -> int:
        """Numbers of the storage from its first to its last."""
        if 0 in self.shape:
            return 0
        return 1 + sum((size - 1) * step for size, step in zip(self.shape, self.stride, strict=True))
