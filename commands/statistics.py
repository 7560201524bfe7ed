"""`main.py statistics`: compute and keep statistics of image sets under a run's model."""

from __future__ import annotations

import argparse
from typing import Any

from anomaly_methods.kinds import KINDS
from commands.accuracy import accuracy_sentence
from commands.common import add_command, add_device, add_download, add_run
from commands.computing import add_computation, computation_of
from commands.reporting import print_statistics

__all__ = ["add_parser"]

EXAMPLE = """\
  python main.py statistics --run runs/cifar10 --data cifar10 svhn folder:holiday-pictures"""


def add_parser(subparsers: Any) -> None:
    """Add the subcommand."""
    parser = add_command(
        subparsers,
        "statistics",
        "Compute likelihoods or gradient norms of image sets into files that everything else reads.",
        EXAMPLE,
        run,
    )
    add_run(parser, "run whose model to use", required=True)
    parser.add_argument("--data", required=True, nargs="+", metavar="NAME", help="image sets")
    parser.add_argument(
        "--statistics",
        nargs="+",
        choices=KINDS,
        default=["likelihood"],
        metavar="KIND",
        help="likelihood: in total and per scale; gradients: squared norms, one per parameter tensor; "
        "fisher_diagonal and fisher_kronecker: the same measured by the Fisher information; "
        "classes: log p(x|y) of every class, of runs with --labels; complexity: size of the image as PNG, "
        "which needs no model (also complexity_webp, complexity_jpeg2000, complexity_jpeg_ls)",
    )
    add_computation(parser)
    add_device(parser)
    add_download(parser)


def run(arguments: argparse.Namespace) -> int:
    """Compute what is missing and say where it is."""
    from invglow.sections import read_section

    computation = computation_of(arguments)
    model = computation.run(arguments.run)
    computation.require_images(model, arguments.data)
    for spec in arguments.data:
        for kind in arguments.statistics:
            statistics = computation.statistics(model, spec, kind)
            print_statistics(spec, statistics, computation.path(model, spec, kind))
            if kind == "classes":
                learned = read_section(model.folder, "data")["name"]
                print(f"  {accuracy_sentence(statistics, computation.images(model, spec), learned)}")
    print(f"Next: python main.py evaluate --run {model.folder} --help")
    return 0
