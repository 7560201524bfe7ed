"""Running a figure from the command line: bad input ends in one sentence and exit code 2."""

from __future__ import annotations

import sys
from collections.abc import Callable

from invglow.exit_code import exit_code

__all__ = ["run_command"]


def run_command(main: Callable[[], None]) -> None:
    """Call `main`; if it does not end well, exit as every command does: one sentence, and code 2 or 130."""

    def command() -> int:
        main()
        return 0

    if code := exit_code(command):
        sys.exit(code)
