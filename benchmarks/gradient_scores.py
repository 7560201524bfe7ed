"""All anomaly methods on pairs of image sets, in one table with their cost: see `--help`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from anomaly_methods.evaluation_options import add_evaluation, written_evaluation
from anomaly_methods.methods.base import AnomalyMethod
from anomaly_methods.methods.registry import METHODS, get_method
from benchmarks.machine import describe_machine
from benchmarks.report import machine_line
from benchmarks.score_pairs import Cell, Cost, Pair, require_usable, score_pair
from benchmarks.score_tables import costs_table, methods_table, remarks
from commands.choosing import kinds_of
from commands.common import HelpFormatter, add_device, add_download
from commands.computing import Computation
from commands.fisher_information import FISHER_KINDS, FisherOptions, add_fisher
from invglow.allocator import keep_freed_memory
from invglow.exit_code import exit_code
from invglow.files import replacing
from invglow.training.device import resolve_device

__all__ = ["main"]

SUMMARY = """\
Compare all methods that the runs support on pairs of image sets, at several group sizes: AUROC with a 95 %
interval, the mean over pairs, and the time per 1,000 images of every kind of statistics.

Methods that fit learn from one random half of the in-distribution test images and are tested on the other.
Statistics are kept in the folder of each run, where main.py looks for them too; called again after a kill,
the same command goes on, and times are those of the first computation, without that of estimating a Fisher
information once per run."""
EXAMPLE = """\
Example:
  python -m benchmarks.gradient_scores --pair runs/cifar10 cifar10 svhn --pair runs/svhn svhn cifar10 \\
      --group-size 1 5 --limit 4000 --fisher-limit 1000 --json scores.json --markdown scores.md"""
# Kinds of statistics that take much longer than a forward and a backward pass.
_DEAR = frozenset(FISHER_KINDS)


def main(argv: Sequence[str] | None = None) -> int:
    """Compute what is missing, print the tables and write them; return 0, or 2 where the input is wrong."""
    options = _parser().parse_args(argv)
    keep_freed_memory()
    return exit_code(lambda: _run(options))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gradient_scores",
        description=SUMMARY,
        epilog=EXAMPLE,
        formatter_class=HelpFormatter,
    )
    add = parser.add_argument
    add(
        "--pair",
        nargs=3,
        action="append",
        required=True,
        metavar=("RUN", "IN", "OUT"),
        help="a run, the set that belongs and one that does not; may be given several times",
    )
    add("--group-size", type=int, nargs="+", default=[1, 5], metavar="B", help="images judged together")
    add("--limit", type=int, metavar="N", help="the first N images of each set, N // B groups")
    add(
        "--fisher-limit",
        type=int,
        metavar="N",
        help="images for methods on Fisher matrices, which are slow; 0 leaves them out (default: --limit)",
    )
    add("--method", nargs="+", metavar="M", help="methods (default: all)")
    add("--nonfinite", choices=("raise", "anomalous"), default="raise", help="as for main.py evaluate")
    add("--split", default="test", choices=("train", "test"), help="which images of the sets")
    add("--batch-size", type=int, default=64, metavar="N", help="images at a time")
    add("--seed", type=int, default=0, metavar="N", help="of halves and bootstrap")
    add("--json", type=Path, metavar="FILE", help="write all numbers to this file")
    add("--markdown", type=Path, metavar="FILE", help="write the tables to this file")
    add_fisher(parser)
    add_evaluation(parser)
    add_device(parser)
    add_download(parser)
    return parser


def _run(options: argparse.Namespace) -> int:
    plans = list(_plans(options))
    pairs = _named_apart([Pair(*words) for words in options.pair])
    for pair in pairs.values():
        require_usable(pair, plans[0][0])
    machine = describe_machine()
    print(machine_line(machine), flush=True)
    cells: list[Cell] = []
    costs: list[Cost] = []
    for computation, methods in plans:
        for name, pair in pairs.items():
            found = score_pair(pair, computation, methods, options.nonfinite)
            cells += [replace(cell, pair=name) for cell in found.cells]
            costs += found.costs
            text = _text(cells, costs, machine)
            _write(options, text, {"machine": machine, **_numbers(cells, costs)})
    print(text)
    return 0


def _plans(options: argparse.Namespace) -> Iterator[tuple[Computation, list[AnomalyMethod]]]:
    """Yield what to compute and for which methods, a group size after the other."""
    methods = [get_method(name) for name in options.method] if options.method else list(METHODS.values())
    dear = [method for method in methods if kinds_of(method) & _DEAR]
    limit = options.limit if options.fisher_limit is None else options.fisher_limit
    base = Computation(
        device=resolve_device(options.device),
        split=options.split,
        limit=options.limit,
        seed=options.seed,
        batch_size=options.batch_size,
        download=options.download,
        fisher=FisherOptions.of(options),
        evaluation=written_evaluation(options),
    )
    for group_size in options.group_size:
        computation = replace(base, group_size=group_size)
        yield computation, [method for method in methods if method not in dear]
        if dear and limit != 0:
            yield replace(computation, limit=limit), dear


def _named_apart(pairs: Sequence[Pair]) -> dict[str, Pair]:
    """Return the pairs by name, with the run in front of it where the sets alone do not tell them apart."""
    names = [pair.name for pair in pairs]
    return {
        pair.name if names.count(pair.name) == 1 else f"{Path(pair.run).name}: {pair.name}": pair
        for pair in pairs
    }


def _text(cells: Sequence[Cell], costs: Sequence[Cost], machine: dict[str, object]) -> str:
    order = {name: place for place, name in enumerate(METHODS)}
    ordered = sorted(cells, key=lambda cell: order[cell.method])
    notes = "\n".join(f"- {remark}" for remark in remarks(ordered))
    return f"{methods_table(ordered)}\n\n{costs_table(costs)}\n\n{notes}\n\n{machine_line(machine)}\n"


def _numbers(cells: Sequence[Cell], costs: Sequence[Cost]) -> dict[str, Any]:
    """Return everything without rounding."""
    return {
        "scores": [{"pair": c.pair, **c.row.to_json()} for c in cells if c.row is not None],
        "left_out": [
            {"pair": c.pair, "group_size": c.group_size, "method": c.method, "reason": c.reason}
            for c in cells
            if c.row is None
        ],
        "costs": [asdict(cost) for cost in costs],
    }


def _write(options: argparse.Namespace, text: str, numbers: dict[str, Any]) -> None:
    """Write what there is so far, so that an interrupted run leaves it."""
    if options.json:
        with replacing(options.json) as temporary:
            temporary.write_text(json.dumps(numbers, indent=2) + "\n")
    if options.markdown:
        with replacing(options.markdown) as temporary:
            temporary.write_text(text)


if __name__ == "__main__":
    sys.exit(main())
