"""How every command ends: 0, or one sentence on stderr and a code that says what went wrong."""

from __future__ import annotations

import os
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["exit_code"]


GOES_ON = "the same command goes on where it can"


def exit_code(command: Callable[[], int], interrupted: str = GOES_ON) -> int:
    """Run a command; return what it returns, 2 where the input was not right, 130 after an interrupt.

    Args:
        command: what to run.
        interrupted: what to say after an interrupt.
    """
    try:
        with _plain_notes():
            return int(command())
    except (ValueError, OSError) as error:
        if os.environ.get("INVGLOW_TRACEBACK"):
            traceback.print_exc()
        print(f"error: {_sentence(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"Interrupted; {interrupted}.", file=sys.stderr)
        return 130


@contextmanager
def _plain_notes() -> Iterator[None]:
    """Show the library's warnings, as of pictures that cannot be read, without their place in the code."""
    whole = warnings.formatwarning

    def plain(
        message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
    ) -> str:
        is_note = category is UserWarning
        return f"note: {message}\n" if is_note else whole(message, category, filename, lineno, line)

    warnings.formatwarning = plain
    try:
        yield
    finally:
        warnings.formatwarning = whole


def _sentence(error: ValueError | OSError) -> str:
    """Return the error as one line; what the operating system says comes with the file's name."""
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.filename}: {error.strerror}."
    return " ".join(str(error).split())
