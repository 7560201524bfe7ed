"""Find images that do not belong, with hierarchies of Glow models. Run `python main.py --help`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from commands import (
    analyse,
    demo,
    describe,
    detect,
    evaluate,
    import_,
    preset,
    report,
    sample,
    statistics,
    train,
)
from invglow.allocator import keep_freed_memory
from invglow.exit_code import exit_code

__all__ = ["main"]

COMMANDS = (demo, train, statistics, evaluate, report, analyse, detect, sample, describe, import_, preset)
EPILOG = """\
Without a command, `demo` runs: the whole hierarchy on data that comes with the library.
Each command teaches its options: python main.py COMMAND --help
Set INVGLOW_TRACEBACK=1 to see where in the code an error came from."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand; return 0, or 2 where the input was not right (said in one sentence)."""
    arguments = _parser().parse_args(list(sys.argv[1:] if argv is None else argv) or ["demo"])
    keep_freed_memory()
    return exit_code(lambda: arguments.function(arguments))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="main.py",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.add_parser(subparsers)
    return parser


if __name__ == "__main__":
    sys.exit(main())
