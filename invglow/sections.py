"""Sections of a run's `config.json`, checked: people edit that file by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from invglow.run_config import CONFIG, read_config

__all__ = ["FLAG", "OBJECT", "SHAPE", "TEXT", "WHOLE", "Kind", "read_section", "require_family"]


@dataclass(frozen=True)
class Kind:
    """What a key must hold: in words, and as a test of a value that came from JSON."""

    words: str
    holds: Callable[[Any], bool]


TEXT = Kind("a text", lambda value: isinstance(value, str))
WHOLE = Kind("a whole number", lambda value: type(value) is int)
FLAG = Kind("true or false", lambda value: isinstance(value, bool))
OBJECT = Kind("an object", lambda value: isinstance(value, dict))
SHAPE = Kind(
    "three positive whole numbers",
    lambda value: isinstance(value, list) and len(value) == 3 and all(map(_is_positive, value)),
)


def read_section(run: Path, section: str, /, **keys: Kind) -> dict[str, Any]:
    """Return one section of a run's configuration, which has these keys and maybe others.

    Args:
        run: a run folder.
        section: its name.
        keys: what each key must hold.

    Raises:
        FileNotFoundError: if `run` is not a run folder.
        ValueError: if the file is damaged, the section or a key is missing, or holds something else.
    """
    path, config = run / CONFIG, read_config(run)
    _require(path, f'"{section}"', OBJECT, config, section)
    found: dict[str, Any] = config[section]
    for key, kind in keys.items():
        _require(path, f'"{key}" in "{section}"', kind, found, key)
    return found


def require_family(run: Path, family: str) -> None:
    """Refuse a run of another family of models than the one that was named.

    Raises:
        FileNotFoundError: if `run` is not a run folder.
        ValueError: naming both families.
    """
    found = read_section(run, "model", family=TEXT)["family"]
    if found != family:
        raise ValueError(f"{run} is a run of the family {found}, not {family}: name {found} before it.")


def _require(path: Path, what: str, kind: Kind, holder: dict[str, Any], key: str) -> None:
    if key not in holder:
        raise ValueError(f"{path} lacks {what}, {kind.words}: restore the file, or train again elsewhere.")
    if not kind.holds(holder[key]):
        raise ValueError(f"{path} must hold {kind.words} as {what}, got {holder[key]!r}: restore the file.")


def _is_positive(value: Any) -> bool:
    return type(value) is int and value > 0
