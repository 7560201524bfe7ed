"""Running a figure from the command line: bad input ends in one sentence and exit code 2."""

from __future__ import annotations

import sys
from collections.abc import Callable

__all__ = ["run_command"]


def run_command(main: Callable[[], None]) -> None:
    """Call `main`; print what a ValueError or OSError says, without a traceback, and exit with code 2."""
    try:
        main()
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        sys.exit(2)
