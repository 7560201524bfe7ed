"""`main.py analyse`: what likelihoods are made of, as tables."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from commands.analysing import analyse_moves, analyse_ranks, analyse_scales, analyse_variants, write_rows
from commands.common import add_command, add_device, add_download, add_run
from commands.computing import add_computation, add_selection
from commands.output_files import require_json

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = ["add_parser"]

EXAMPLE = """\
  python main.py analyse ranks --run runs/cifar10 --others runs/svhn --data cifar10 svhn
  python main.py analyse scales --run runs/cifar10 --data cifar10 svhn
  python main.py analyse perturbations --run runs/cifar10 --data cifar10 --limit 100
  python main.py analyse variants --run runs/cifar10 --data cifar10 --limit 1000"""

# Name -> what makes its rows, the run's folder to write into being theirs to know.
ANALYSES: dict[str, Callable[[argparse.Namespace], tuple[Path, Sequence[DataclassInstance]]]] = {
    "ranks": analyse_ranks,
    "scales": analyse_scales,
    "perturbations": analyse_moves,
    "variants": analyse_variants,
}


def add_parser(subparsers: Any) -> None:
    """Add the subcommand with its own subcommands, one per analysis."""
    parser = add_command(
        subparsers,
        "analyse",
        "Ask what a likelihood is made of: ranks, scales, perturbations, variants of images.",
        EXAMPLE,
        run,
    )
    analyses = parser.add_subparsers(dest="analysis", metavar="ANALYSIS", required=True)
    for add in (_add_ranks, _add_scales, _add_perturbations, _add_variants):
        add_device(found := add(analyses))
        add_download(found)
        found.add_argument(
            "--json", type=Path, metavar="FILE", help="rows (default: DIR/analyses/ANALYSIS.json), and .csv"
        )


def run(arguments: argparse.Namespace) -> int:
    """Compute what is missing, print the table and write it."""
    require_json(arguments.json)
    folder, rows = ANALYSES[arguments.analysis](arguments)
    write_rows(rows, arguments.json or folder / "analyses" / f"{arguments.analysis}.json")
    return 0


def _add(analyses: Any, name: str, summary: str, *, several_sets: bool) -> argparse.ArgumentParser:
    example = next(line for line in EXAMPLE.splitlines() if f"analyse {name} " in line)
    parser = add_command(analyses, name, summary, example, run)
    add_run(parser, "run whose model to use", required=True)
    sets = "image sets, the in-distribution one first" if several_sets else "image set"
    parser.add_argument("--data", required=True, nargs="+" if several_sets else 1, metavar="NAME", help=sets)
    return parser


def _add_ranks(analyses: Any) -> argparse.ArgumentParser:
    parser = _add(
        analyses,
        "ranks",
        "Spearman's rank correlation of the likelihoods of image sets under models of different sets.",
        several_sets=True,
    )
    parser.add_argument("--others", required=True, nargs="+", metavar="RUN", help="runs to compare with")
    add_computation(parser)
    return parser


def _add_scales(analyses: Any) -> argparse.ArgumentParser:
    parser = _add(
        analyses,
        "scales",
        "The share of every scale in the likelihood, in and out of distribution.",
        several_sets=True,
    )
    add_computation(parser)
    return parser


def _add_perturbations(analyses: Any) -> argparse.ArgumentParser:
    parser = _add(
        analyses,
        "perturbations",
        "How far a small perturbation of the latents moves the image, and the reverse.",
        several_sets=True,
    )
    parser.add_argument("--norm", type=float, default=0.01, metavar="X", help="length of the perturbations")
    parser.add_argument(
        "--directions", type=int, default=1, metavar="N", help="random directions for each image, each way"
    )
    add_selection(parser).add_argument(
        "--batch-size", type=int, default=64, metavar="N", help="images at a time"
    )
    parser.set_defaults(group_size=1)
    return parser


def _add_variants(analyses: Any) -> argparse.ArgumentParser:
    parser = _add(
        analyses,
        "variants",
        "The likelihood of constant, noise, blurred and contrast-scaled images made from a set.",
        several_sets=False,
    )
    parser.add_argument(
        "--blur", type=float, nargs="*", metavar="X", help="standard deviations in pixels (default: 0.5 1 2)"
    )
    parser.add_argument(
        "--contrast", type=float, nargs="*", metavar="X", help="factors (default: 0.25 0.5 1.5)"
    )
    add_computation(parser)
    return parser
