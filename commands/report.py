"""`main.py report`: all there is to know of a run, as one page."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from commands.common import add_command, add_run, existing_run
from commands.output_files import require_writable

__all__ = ["add_parser"]

EXAMPLE = """\
  python main.py report --run runs/cifar10 --output report.html"""


def add_parser(subparsers: Any) -> None:
    """Add the subcommand."""
    parser = add_command(
        subparsers,
        "report",
        "Write one self-contained page of a run: tables, figures, settings, timings, and how to repeat it.",
        EXAMPLE,
        run,
    )
    add_run(parser, "run to report on", required=True)
    parser.add_argument("--output", type=Path, required=True, metavar="FILE.html", help="page to write")
    parser.add_argument(
        "--evaluation",
        type=Path,
        nargs="+",
        default=[],
        metavar="FILE.json",
        help="tables that evaluate wrote (default: evaluation-*.json in DIR)",
    )
    parser.add_argument(
        "--general",
        metavar="RUN",
        help="run of the general model, for its statistics (default: as evaluate takes it)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Read the run, write the page, and say what it lacks."""
    require_writable(arguments.output, ".html", "--output")
    from commands.report_run import RunReader
    from invglow.files import replacing
    from plots.report.page import page_of

    general = None if arguments.general is None else existing_run(arguments.general)
    reader = RunReader(existing_run(arguments.run), arguments.run, general, arguments.evaluation)
    report = reader.report()
    with replacing(arguments.output) as temporary:
        temporary.write_text(page_of(report), encoding="utf-8")
    for problem in report.problems:
        print(f"note: {problem}")
    if not report.evaluations:
        print(f"The run has no evaluation yet; this adds one:\n{report.evaluate_command}")
    size = arguments.output.stat().st_size / 1e6
    print(f"Report: {arguments.output} ({len(report.evaluations)} tables, {size:.1f} MB)")
    return 0
