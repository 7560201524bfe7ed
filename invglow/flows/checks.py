"""Checks that dataclasses of settings have in common."""

from __future__ import annotations

from collections.abc import Collection

__all__ = ["require_known", "require_positive"]


def require_positive(settings: object, *names: str) -> None:
    """Refuse settings of these names that are less than 1.

    Raises:
        ValueError: naming the first of them and its value.
    """
    for name in names:
        if getattr(settings, name) < 1:
            raise ValueError(f"{name} must be at least 1, got {getattr(settings, name)}.")


def require_known(setting: str, name: str, known: Collection[str]) -> None:
    """Refuse a name that is none of the known ones.

    Raises:
        ValueError: listing them.
    """
    if name not in known:
        raise ValueError(f"Unknown {setting} {name!r}; known are {', '.join(known)}.")
