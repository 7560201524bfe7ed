"""A layer or node of a pickled model, read with suspicion: every name and setting is checked."""

from __future__ import annotations

import reprlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from invglow.legacy.archive import Archive
from invglow.legacy.records import Record, StoredTensor
from invglow.reading import named_few

__all__ = ["FormError", "Part", "loaded", "shown"]


# Parts, parameters and buffers that are looked at; a model of 200 MB takes a tenth of them.
MOST_VISITED = 500_000
LONGEST_NAME, LONGEST_SHOWN = 100, 300


class FormError(ValueError):
    """Says what in a model is not as its format has it."""


@dataclass(frozen=True)
class Part:
    """One object of a model.

    Attributes:
        record: what was saved of it.
        where: its name in the model, as in the names of tensors of a state dict.
        archive: the file.
    """

    record: Record
    where: str
    archive: Archive

    @property
    def kind(self) -> str:
        """The name of its class."""
        return self.record.qualified_name.rpartition(".")[2]

    def refusal(self, reason: str) -> FormError:
        """Return the error that says what is wrong with this part."""
        return FormError(f"{_end_of(self.where) or 'the model'}, a {self.record.qualified_name}, {reason}")

    def require_kind(self, *kinds: str) -> Part:
        """Return this part, if it is of one of these kinds."""
        if self.kind not in kinds:
            raise self.refusal(f"was expected to be a {' or '.join(kinds)}")
        return self

    def attribute(self, name: str) -> Any:
        """Return an attribute."""
        if name not in self.record.state:
            raise self.refusal(f"has no setting {name}")
        return self.record.state[name]

    def require(self, **settings: Any) -> None:
        """Refuse other settings than these: they would change what the part computes."""
        for name, expected in settings.items():
            found = self.attribute(name)
            if isinstance(found, bool) is not isinstance(expected, bool) or found != expected:
                raise self.refusal(f"has setting {name} = {shown(found)}, known is {expected!r}")

    def part(self, name: str) -> Part:
        """Return a part of this part: a layer, or an object that is none."""
        found = dict(self._modules()).get(name, self.record.state.get(name))
        if not isinstance(found, Record):
            raise self.refusal(f"has no part {name}")
        return Part(found, self._inside(name), self.archive)

    def has_part(self, name: str) -> bool:
        """Whether there is a part of this name."""
        return name in dict(self._modules())

    def parts(self) -> list[Part]:
        """Return all parts of this part, in order; places that are empty are left out."""
        return [Part(record, self._inside(name), self.archive) for name, record in self._modules()]

    def tensors(self, required: Collection[str], optional: Collection[str] = ()) -> dict[str, StoredTensor]:
        """Return the parameters and buffers, which must have these names."""
        found = {name: value for holder in ("_parameters", "_buffers") for name, value in self._named(holder)}
        missing = [name for name in required if name not in found]
        unexpected = [name for name in found if name not in {*required, *optional}]
        if missing or unexpected:
            raise self.refusal(_mismatch(_end_of(self._inside("")), missing, unexpected))
        return found

    def rows(self, name: str) -> int:
        """Return the length of the first dimension of one of its tensors."""
        for found, stored in self._named("_parameters"):
            if found == name and stored.shape:
                return stored.shape[0]
        raise self.refusal(f"lacks the tensor {self._inside(name)}")

    def _inside(self, name: str) -> str:
        return f"{self.where}.{name}" if self.where else name

    def _modules(self) -> Iterator[tuple[str, Record]]:
        for name, value in self._items("_modules"):
            if value is not None and not isinstance(value, Record):
                raise self.refusal(f"has {name} where a part should be")
            if value is not None:
                yield name, value

    def _named(self, holder: str) -> Iterator[tuple[str, StoredTensor]]:
        for name, value in self._items(holder):
            if value is not None and not isinstance(value, StoredTensor):
                raise self.refusal(f"has {name} where a tensor should be")
            if value is not None:
                yield name, value

    def _items(self, holder: str) -> Iterator[tuple[str, Any]]:
        found = self.attribute(holder)
        if not isinstance(found, dict) or not all(isinstance(name, str) for name in found):
            raise self.refusal(f"has no {holder}")
        self.archive.visited += 1 + len(found)
        if self.archive.visited > MOST_VISITED:
            raise FormError("it leads to the same parts again and again, or to more than any model has")
        if any(len(name) > LONGEST_NAME for name in found):
            raise self.refusal(f"has names of more than {LONGEST_NAME} characters")
        yield from found.items()


def loaded(
    archive: Archive,
    stored: StoredTensor,
    shape: tuple[int, ...],
    name: str,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Read a tensor that must have a shape, up to sides of length 1, and note whether it is finite.

    Raises:
        FormError: it has another.
        ValueError: the file is damaged.
    """
    if _without_ones(stored.shape) != _without_ones(shape):
        raise FormError(f"{name} has shape {stored.shape}, expected was {shape}")
    tensor = archive.tensor(stored).to(dtype).reshape(shape)
    if not bool(tensor.isfinite().all()):
        archive.nonfinite.append(name)
    return tensor


def _without_ones(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(size for size in shape if size != 1)


def _mismatch(where: str, missing: Collection[str], unexpected: Collection[str]) -> str:
    parts = [f"lacks the tensor {named_few(missing, where)}"] if missing else []
    parts += [f"holds the unexpected tensor {named_few(unexpected, where)}"] if unexpected else []
    return " and ".join(parts)


def _end_of(where: str) -> str:
    """Return the name of a part, of which the beginning is left out if it is long."""
    return where if len(where) <= LONGEST_SHOWN else f"...{where[-LONGEST_SHOWN:]}"


def shown(value: Any) -> str:
    """Return the beginning of how a value is written, not followed into depths that take all memory."""
    return reprlib.repr(value)[:80]
