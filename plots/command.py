"""Running a figure from the command line: a help whose example can be copied, and one way to end."""

from __future__ import annotations

import argparse
import sys
import textwrap
from collections.abc import Callable

from invglow.exit_code import exit_code

__all__ = ["figure_parser", "run_command"]


def figure_parser(module: str, description: str | None, example: str) -> argparse.ArgumentParser:
    """Return the parser of a figure, still without options.

    Args:
        module: such as "plots.scale_shares".
        description: the module's docstring.
        example: the words of a command that works.
    """
    command = f"python -m {module} {example}"
    lines = textwrap.wrap(command, 100, break_long_words=False, break_on_hyphens=False)
    return argparse.ArgumentParser(
        prog=f"python -m {module}",
        description=description,
        epilog="Example:\n  " + " \\\n      ".join(lines),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def run_command(main: Callable[[], None]) -> None:
    """Call `main`; if it does not end well, exit as every command does: one sentence, and code 2 or 130."""

    def command() -> int:
        main()
        return 0

    if code := exit_code(command):
        sys.exit(code)
