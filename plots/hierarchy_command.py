"""The command line that the first paper's figures share (Schirrmeister et al., 2020): the words of main.py.

--run DIR --general DIR --in-distribution NAME --out-of-distribution NAME ... --limit N --output PATH

A figure's module makes a parser (plots/command.py), adds the groups of options that it takes, parses, and
calls `request_of`.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import folder_locations
from anomaly_methods.evaluation_options import add_evaluation, read_evaluation, written_evaluation
from anomaly_methods.statistics import Statistics
from anomaly_methods.stored import Selection, checksum, run_folder, slug
from invglow.run_config import read_config
from plots.finding import Finder, Need
from plots.general_run import general_run_of
from plots.output import require_output
from plots.style import require_short_names

__all__ = [
    "NO_GENERAL",
    "HierarchyRequest",
    "add_figure",
    "add_general",
    "add_sets",
    "figure_path",
    "read_runs",
    "request_of",
]

# A file name that says more than this ends in a checksum instead.
_LONGEST = 120
# After --general, of a run that is compared with none.
NO_GENERAL = "none"
_COUNTS = {"limit": 1, "group_size": 1, "noise_draws": 0, "seed": 0}


@dataclass(frozen=True)
class HierarchyRequest:
    """What a command line asks for.

    Attributes:
        runs: folders of specific models, one at least.
        generals: folders of the general models that were named: none, one for all runs, or one for each,
            where None stands for a run without.
        sets: the in-distribution set and at least one other.
        finder: how statistics are found.
        output: of the figure, without a suffix.
        seed: of halves and resampling.
    """

    runs: tuple[Path, ...]
    generals: tuple[Path | None, ...]
    sets: tuple[str, ...]
    finder: Finder
    output: Path
    seed: int

    def general_of(self, run: Path) -> Path | None:
        """Return the general model to compare a run with: the one that was named, or its own."""
        if self.generals:
            return self.generals[self.runs.index(run) if len(self.generals) > 1 else 0]
        general = general_run_of(run)
        if general is not None and general.parent != run:
            print(f"General model: {general}, which was not trained on as long as {run}.")
        return general

    def likelihoods(self, runs: Iterable[Path]) -> list[list[Statistics]]:
        """Return the likelihood statistics of all sets under each run, the in-distribution set first.

        Raises:
            FileNotFoundError: some are missing; the sentence holds the command that makes them all.
        """
        runs = list(runs)
        self.finder.require(Need(run, self.sets) for run in runs)
        return [[self.finder.statistics(run, name) for name in self.sets] for run in runs]


def add_general(parser: argparse.ArgumentParser) -> None:
    """Add the option that names the general model."""
    parser.add_argument(
        "--general",
        metavar="RUN",
        help="general model, or none (default: DIR/general, equally trained; else the base of DIR)",
    )


def add_sets(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """Add the options that say which images of which sets, prepared how."""
    add = parser.add_argument
    add("--in-distribution", required=required, metavar="NAME", help="the set that belongs")
    add(
        "--out-of-distribution",
        required=required,
        nargs="+",
        default=[],
        metavar="NAME",
        help="sets that do not belong",
    )
    add = parser.add_argument_group("which statistics").add_argument
    add("--split", default="test", choices=("train", "test"), help="which images (default: test)")
    add("--limit", type=int, metavar="N", help="the first N images of each set only")
    add("--grey", action="store_true", help="colours as luma")
    add("--noise-draws", type=int, default=0, metavar="N", help="mean over N draws of noise (default: none)")
    add("--group-size", type=int, default=1, metavar="B", help="images judged together (default: 1)")
    add("--seed", type=int, default=0, metavar="N", help="of noise, halves and resampling (default: 0)")
    add("--compute", action="store_true", help="make statistics that are missing")
    add_evaluation(parser)


def add_figure(parser: argparse.ArgumentParser) -> None:
    """Add the option that says where to write."""
    parser.add_argument(
        "--output", type=Path, metavar="PATH", help="figure to write, without a suffix (default: in figures/)"
    )


def request_of(arguments: argparse.Namespace, figure: str) -> HierarchyRequest:
    """Check the arguments of the options above and of --run; the folder of the output is then there.

    Args:
        arguments: parsed; `run` names one run, or several in a list.
        figure: what the file is called by default, before the names of runs and sets.

    Raises:
        ValueError: a set is named twice, there is nothing to compare with, or a number is out of range.
        OSError: a run is not there, or nothing can be written at the output.
    """
    names = arguments.run if isinstance(arguments.run, list) else [arguments.run]
    runs = read_runs(names)
    generals = _generals(arguments, names)
    sets = _sets(arguments)
    output = figure_path(arguments.output, figure, names, _options(arguments, sets))
    return HierarchyRequest(
        runs=runs,
        generals=generals,
        sets=sets,
        finder=Finder(_selection(arguments), arguments.compute),
        output=output,
        seed=arguments.seed,
    )


def read_runs(names: Sequence[str]) -> tuple[Path, ...]:
    """Return the folders of runs, each of which is there and named once.

    Raises:
        ValueError: one is named twice, or its configuration is damaged.
        FileNotFoundError: one is no run.
    """
    found = tuple(run_folder(name, folder_locations.runs_folder()) for name in names)
    for run in found:
        read_config(run)
    if len({run.resolve() for run in found}) < len(found):
        raise ValueError(f"Each run can be shown once, got {', '.join(names)}.")
    return found


def figure_path(output: Path | None, figure: str, runs: Sequence[str], options: Sequence[str] = ()) -> Path:
    """Return where to write, by default named after what is shown, in a folder that is then there.

    Raises:
        OSError: nothing can be written there.
    """
    name = "-".join([figure, *map(slug, runs), *filter(None, options)])
    short = name if len(name) <= _LONGEST else f"{name[:_LONGEST]}-{checksum(name)}"
    path = output or folder_locations.figures_folder() / short
    require_output(path)
    return path


def _listed_generals(arguments: argparse.Namespace) -> list[str]:
    """Return the names after --general, of figures that take none, one or several."""
    general = getattr(arguments, "general", None)
    return [general] if isinstance(general, str) else list(general or [])


def _generals(arguments: argparse.Namespace, runs: Sequence[str]) -> tuple[Path | None, ...]:
    names = _listed_generals(arguments)
    if len(names) not in (0, 1, len(runs)):
        raise ValueError(f"--general names one run, or one for each of {len(runs)}, got {', '.join(names)}.")
    return tuple(None if name == NO_GENERAL else read_runs([name])[0] for name in names)


def _sets(arguments: argparse.Namespace) -> tuple[str, ...]:
    inside, outside = arguments.in_distribution, arguments.out_of_distribution
    if inside is None or not outside:
        raise ValueError("Name the sets to compare with --in-distribution NAME --out-of-distribution NAME.")
    if len({inside, *outside}) < 1 + len(outside):
        raise ValueError(f"Each set can be shown once, got {', '.join((inside, *outside))}.")
    require_short_names((inside, *outside))
    return (inside, *outside)


def _selection(arguments: argparse.Namespace) -> Selection:
    for name, least in _COUNTS.items():
        value = getattr(arguments, name)
        if value is not None and value < least:
            raise ValueError(f"--{name.replace('_', '-')} must be at least {least}, got {value}.")
    return Selection(
        split=arguments.split,
        limit=arguments.limit,
        grey=arguments.grey,
        noise_draws=arguments.noise_draws,
        seed=arguments.seed,
        group_size=arguments.group_size,
        evaluation=read_evaluation(written_evaluation(arguments)),
    )


def _options(arguments: argparse.Namespace, sets: Sequence[str]) -> list[str]:
    """Return what else tells one figure of these runs from another."""
    return [
        *map(slug, sets),
        *(f"against-{slug(name)}" for name in _listed_generals(arguments)),
        arguments.split if arguments.split != "test" else "",
        f"first{arguments.limit}" if arguments.limit else "",
        "grey" if arguments.grey else "",
        f"noise{arguments.noise_draws}" if arguments.noise_draws else "",
        f"seed{arguments.seed}" if arguments.seed else "",
        f"groups{arguments.group_size}" if arguments.group_size != 1 else "",
        *map(slug, written_evaluation(arguments)),
    ]
