"""Settings as people write them on a command line, NAME=VALUE, read by the types of a dataclass."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from typing import Any, get_args, get_origin, get_type_hints

__all__ = ["read_settings"]

_FLAGS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def read_settings(kind: type[Any], texts: Iterable[str], *, fixed: Iterable[str] = ()) -> dict[str, Any]:
    """Return {name: value} of settings written as NAME=VALUE.

    Args:
        kind: dataclass with the settings; int, float, str, bool (true, false) and tuple (1,2,3) are read.
        texts: what was written.
        fixed: fields that cannot be chosen.

    Raises:
        ValueError: a text is of another form, names no setting or one twice, or its value cannot be read.
    """
    known = [field.name for field in fields(kind) if field.name not in set(fixed)]
    types, found = get_type_hints(kind), dict[str, Any]()
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise ValueError(f"A setting is written NAME=VALUE, got {text!r}; known are {', '.join(known)}.")
        if name not in known:
            raise ValueError(f"Unknown setting {name!r}; known are {', '.join(known)}.")
        if name in found:
            raise ValueError(f"The setting {name!r} was given twice: leave one out.")
        found[name] = _read(name, value, types[name])
    return found


def _read(name: str, text: str, wanted: Any) -> Any:
    try:
        return _value(text, wanted)
    except (KeyError, ValueError):
        raise ValueError(f"The setting {name!r} must be {_words(wanted)}, got {text!r}.") from None


def _value(text: str, wanted: Any) -> Any:
    if wanted is bool:
        return _FLAGS[text.lower()]
    if get_origin(wanted) is tuple:
        return tuple(_value(part, get_args(wanted)[0]) for part in text.split(","))
    return wanted(text)


def _words(wanted: Any) -> str:
    if wanted is bool:
        return "true or false"
    if get_origin(wanted) is tuple:
        return f"of type {get_args(wanted)[0].__name__}, several with commas between"
    return f"of type {wanted.__name__}"
