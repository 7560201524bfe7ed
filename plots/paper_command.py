"""The command line that the second paper's figures share (Dauncey et al., 2024).

    FAMILY MODEL [MODEL ...] --id_datasets ID [ID ...] --datasets A [B ...]
        --anomaly_detection METHOD --batch_size B

A figure's module calls `paper_parser`, adds options of its own, parses, and calls `request_of`; what it does
with the request stands in plots/paper_request.py.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import folder_locations
from anomaly_methods.evaluation_options import add_evaluation, read_evaluation, written_evaluation
from anomaly_methods.fisher_options import FisherOptions
from anomaly_methods.kinds import statistics_for
from anomaly_methods.run_names import run_names
from anomaly_methods.stored import Selection, checksum, run_folder, slug
from invglow.sections import require_family
from plots.command import figure_parser
from plots.finding import Finder
from plots.general_run import general_run_of
from plots.output import require_output
from plots.paper_request import PaperModel, PaperRequest
from plots.style import require_short_names

__all__ = ["paper_parser", "request_of"]

# A file name that says more than this ends in a checksum instead.
_LONGEST = 120


def paper_parser(
    module: str, description: str | None, example: str, *, methods: int | str | None = 1
) -> argparse.ArgumentParser:
    """Return the parser of a figure.

    Args:
        module: such as "plots.anomaly_table".
        description: the module's docstring.
        example: the words after FAMILY of a command that works.
        methods: how many names --anomaly_detection takes (as argparse's nargs); None for no such option.
    """
    parser = figure_parser(module, description, example)
    add = parser.add_argument
    add("family", metavar="FAMILY", help="what the models are, for example glow; a run of another is refused")
    add("models", nargs="+", metavar="MODEL", help="runs, by name or folder")
    add("--id_datasets", nargs="+", required=True, metavar="ID", help="what each model was trained on")
    add("--datasets", nargs="+", required=True, metavar="NAME", help="image sets to show")
    if methods is not None:
        add("--anomaly_detection", nargs=methods, required=True, metavar="METHOD", help="method, or several")
    _add_selection(parser)
    add(
        "--general",
        nargs="+",
        default=[],
        metavar="RUN",
        help="general model of each (default: as main.py evaluate)",
    )
    add("--seed", type=int, default=0, metavar="N", help="of random choices, halves and noise (default: 0)")
    add("--compute", action="store_true", help="make statistics that are missing")
    add(
        "--output", type=Path, metavar="PATH", help="figure to write, without a suffix (default: in figures/)"
    )
    return parser


def _add_selection(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("which statistics").add_argument
    add("--batch_size", type=int, default=1, metavar="B", help="images that are judged together (default: 1)")
    add("--split", default="test", choices=("train", "test"), help="which images (default: test)")
    add("--limit", type=int, metavar="N", help="the first N images of each set only")
    add("--grey", action="store_true", help="colours as luma")
    add("--noise_draws", type=int, default=0, metavar="N", help="mean over N draws of noise (default: none)")
    add("--model_mode", default="eval", choices=("eval",), help="models are always evaluated, never trained")
    add_evaluation(parser)


def request_of(arguments: argparse.Namespace, figure: str) -> PaperRequest:
    """Check the arguments of `paper_parser` and return what they ask for; the output folder is then there.

    Args:
        arguments: parsed.
        figure: what the file is called by default, before the names of models and methods.

    Raises:
        ValueError: models and in-distribution sets are not one to one, a run is of another family, a name is
            unknown or a number out of range.
        OSError: a run is not there, or nothing can be written at the output.
    """
    methods = tuple(dict.fromkeys(getattr(arguments, "anomaly_detection", ())))
    statistics_for(methods)
    finder = Finder(_selection(arguments), arguments.compute)
    models = _models(arguments, methods)
    _require_told_apart(models, arguments.datasets)
    output = arguments.output or folder_locations.figures_folder() / _name(arguments, figure, methods)
    require_output(output)
    return PaperRequest(
        models=models,
        datasets=tuple(dict.fromkeys(arguments.datasets)),
        methods=methods,
        finder=finder,
        output=output,
        seed=arguments.seed,
        options=arguments,
    )


def _selection(arguments: argparse.Namespace) -> Selection:
    for option, value, least in (
        ("batch_size", arguments.batch_size, 1),
        ("limit", arguments.limit, 1),
        ("seed", arguments.seed, 0),
        ("noise_draws", arguments.noise_draws, 0),
    ):
        if value is not None and value < least:
            raise ValueError(f"--{option} must be at least {least}, got {value}.")
    return Selection(
        split=arguments.split,
        limit=arguments.limit,
        grey=arguments.grey,
        noise_draws=arguments.noise_draws,
        seed=arguments.seed,
        group_size=arguments.batch_size,
        fisher=FisherOptions(seed=arguments.seed),
        evaluation=read_evaluation(written_evaluation(arguments)),
    )


def _models(arguments: argparse.Namespace, methods: Sequence[str]) -> tuple[PaperModel, ...]:
    names, sets, generals = arguments.models, arguments.id_datasets, arguments.general
    if len(names) != len(sets):
        raise ValueError(
            f"Each model needs its in-distribution set, got {len(names)} models ({', '.join(names)}) and "
            f"{len(sets)} of --id_datasets ({', '.join(sets)})."
        )
    if generals and len(generals) != len(names):
        raise ValueError(f"--general must name one run for each of {len(names)} models, got {len(generals)}.")
    runs, compares = folder_locations.runs_folder(), _compares(methods)
    folders = [run_folder(name, runs) for name in names]
    found = []
    for place, (run, spec, name) in enumerate(zip(folders, sets, run_names(folders), strict=True)):
        require_family(run, arguments.family)
        general = run_folder(generals[place], runs) if generals else general_run_of(run) if compares else None
        found.append(PaperModel(run, spec, name, general))
    return tuple(found)


def _require_told_apart(models: Sequence[PaperModel], datasets: Sequence[str]) -> None:
    """Refuse what a figure would show twice under one name."""
    pairs = [(model.name, model.id_dataset) for model in models]
    if len(set(pairs)) < len(pairs):
        raise ValueError(
            f"Each model can be shown once with a set, got {', '.join(map(' of '.join, pairs))}."
        )
    require_short_names([*(model.id_dataset for model in models), *datasets])


def _compares(methods: Sequence[str]) -> bool:
    """Return whether any method compares with a general model."""
    from anomaly_methods.methods.registry import ALIASES, METHODS  # takes a second: scikit-learn

    names = [ALIASES.get(name, name) for name in methods]
    return any(
        source.role == "general" for n in names if n in METHODS for source in METHODS[n].sources.values()
    )


def _name(arguments: argparse.Namespace, figure: str, methods: Sequence[str]) -> str:
    """Return a file name that says what the figure shows."""
    options = [
        *map(slug, arguments.models),
        *methods,
        *map(slug, dict.fromkeys([*arguments.id_datasets, *arguments.datasets])),
        *(f"against-{slug(name)}" for name in arguments.general),
        arguments.split if arguments.split != "test" else "",
        f"first{arguments.limit}" if arguments.limit else "",
        "grey" if arguments.grey else "",
        f"noise{arguments.noise_draws}" if arguments.noise_draws else "",
        f"seed{arguments.seed}" if arguments.seed else "",
        f"groups{arguments.batch_size}" if arguments.batch_size != 1 else "",
        *map(slug, written_evaluation(arguments)),
    ]
    name = "-".join([figure, *filter(None, options)])
    return name if len(name) <= _LONGEST else f"{name[:_LONGEST]}-{checksum(name)}"
