"""The command line that the figures of the Fisher information matrix share."""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import folder_locations
from anomaly_methods.matrix_options import MatrixOptions, add_matrix
from anomaly_methods.statistics import Statistics
from anomaly_methods.stored import run_folder, slug
from invglow.sections import require_family
from plots.command import figure_parser, run_command
from plots.FIM_approximation.matrix import FisherMatrix, fisher_matrix
from plots.finding import is_outdated
from plots.output import require_output

__all__ = ["draw", "run_figure"]

Save = Callable[[FisherMatrix, Path], tuple[Path, Path, Path]]


def run_figure(name: str, description: str, save: Save) -> None:
    """Draw one figure as the command line says; bad input ends in one sentence and exit code 2.

    Args:
        name: of the submodule, or empty for the package itself.
        description: for --help.
        save: writes the figure and prints its files.
    """
    run_command(lambda: draw(None, name, description, save))


def draw(arguments: Sequence[str] | None, name: str, description: str, save: Save) -> None:
    """Read the statistics of a run, or have them made, and draw them; arguments as of `run_figure`.

    Raises:
        FileNotFoundError: there are none; the sentence holds the command that makes them.
        ValueError: they cannot be made, or are of no use.
        OSError: nothing can be written at the output.
    """
    options = _parser(name, description).parse_args(arguments)
    wanted = MatrixOptions.of(options)
    words = (
        "FIM_approximation",
        name,
        slug(options.model),
        "" if wanted == MatrixOptions() else wanted.label,
    )
    figure = "-".join(filter(None, words))
    output = options.output or folder_locations.figures_folder() / figure
    require_output(output)
    save(fisher_matrix(_statistics(options, wanted)), output)


def _parser(name: str, description: str) -> argparse.ArgumentParser:
    module = f"plots.FIM_approximation{'.' if name else ''}{name}"
    parser = figure_parser(module, description, "glow cifar10 --n_layers 6 --compute")
    add = parser.add_argument
    add("family", metavar="FAMILY", help="what the model is, for example glow")
    add("model", metavar="MODEL", help="a run of this library, by name or folder")
    add_matrix(parser)
    add("--compute", action="store_true", help="make the statistics if they are missing")
    add(
        "--output", type=Path, metavar="PATH", help="figure to write, without a suffix (default: in figures/)"
    )
    return parser


def _statistics(options: argparse.Namespace, wanted: MatrixOptions) -> Statistics:
    run = run_folder(options.model, folder_locations.runs_folder())
    require_family(run, options.family)
    path, command = wanted.path(run), wanted.command(options.family, str(run))
    if not path.exists():
        words = shlex.join(["python", *command])
        if not options.compute:
            raise FileNotFoundError(
                "Statistics for this figure are missing: make them with --compute, or with this command: "
                f"{words}"
            )
        print("Computing:", words, flush=True)
        if code := subprocess.run([sys.executable, *command], check=False).returncode:
            raise ValueError(f"This did not succeed (exit code {code}): {words}")
    statistics = Statistics.load(path)
    if is_outdated(statistics, run):
        again = shlex.join(["python", *command, "--recompute"])
        raise ValueError(f"{path} is of other weights than {run} has now: compute it again with {again}")
    return statistics
