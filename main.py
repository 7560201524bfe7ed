"""Find images that do not belong, with hierarchies of Glow models. Run `python main.py --help`."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Sequence

from commands import demo, evaluate, sample, statistics, train
from invglow.allocator import keep_freed_memory

__all__ = ["main"]

COMMANDS = (demo, train, statistics, evaluate, sample)
EPILOG = """\
Without a command, `demo` runs: the whole hierarchy on data that comes with the library.
Each command teaches its options: python main.py COMMAND --help
Set INVGLOW_TRACEBACK=1 to see where in the code an error came from."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand; return 0, or 2 where the input was not right (said in one sentence)."""
    arguments = _parser().parse_args(list(sys.argv[1:] if argv is None else argv) or ["demo"])
    keep_freed_memory()
    try:
        return int(arguments.function(arguments))
    except (ValueError, OSError) as error:
        if os.environ.get("INVGLOW_TRACEBACK"):
            traceback.print_exc()
        print(f"error: {_sentence(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Interrupted; the same command goes on where it can.", file=sys.stderr)
        return 130


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


def _sentence(error: ValueError | OSError) -> str:
    """Return the error as one line; what the operating system says comes with the file's name."""
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.filename}: {error.strerror}."
    return " ".join(str(error).split())


if __name__ == "__main__":
    sys.exit(main())
