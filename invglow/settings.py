"""From plain data, such as JSON holds, to a dataclass of settings: names and types are checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, Field, fields
from types import UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

__all__ = ["settings_from"]

Settings = TypeVar("Settings")


def settings_from(kind: type[Settings], data: Mapping[str, Any]) -> Settings:
    """Build a dataclass of settings from the fields in `data`; those that are left out have their defaults.

    Raises:
        ValueError: a name is unknown or missing, a value is of another type, or the dataclass refuses it.
    """
    known: dict[str, Field[Any]] = {field.name: field for field in fields(kind)}  # type: ignore[arg-type]
    for name in data:
        if name not in known:
            raise ValueError(f"Unknown setting {name!r}; known are {', '.join(known)}.")
    types = get_type_hints(kind)
    for name, field in known.items():
        if name not in data and field.default is MISSING and field.default_factory is MISSING:
            raise ValueError(f"The setting {name!r} is missing.")
        if name in data and not _fits(data[name], types[name]):
            raise ValueError(f"The setting {name!r} must be {_words(types[name])}, got {data[name]!r}.")
    return kind(**data)


def _fits(value: Any, wanted: Any) -> bool:
    """Return whether a value may be passed where a type is wanted; JSON knows lists, not tuples."""
    origin, inner = get_origin(wanted), get_args(wanted)
    if origin in (Union, UnionType):
        return any(_fits(value, one) for one in inner)
    if origin is Literal:
        return value in inner
    if origin is tuple:
        return isinstance(value, list | tuple) and _all_fit(value, inner)
    if wanted is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return type(value) is wanted


def _all_fit(values: list[Any] | tuple[Any, ...], wanted: tuple[Any, ...]) -> bool:
    if wanted[-1:] == (Ellipsis,):
        return all(_fits(value, wanted[0]) for value in values)
    return len(values) == len(wanted) and all(map(_fits, values, wanted))


def _words(wanted: Any) -> str:
    return wanted.__name__ if isinstance(wanted, type) and not get_args(wanted) else str(wanted)
