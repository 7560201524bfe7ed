"""`main.py evaluate`: how well each method tells image sets apart."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anomaly_methods.run_names import run_names
from commands.choosing import (
    general_model,
    kinds_of,
    known_methods,
    models_by_role,
    needed_sources,
    require_same_shape,
)
from commands.common import add_command, add_device, add_download, add_run
from commands.computing import Computation, add_computation, computation_of
from commands.naming import evaluation_name
from commands.output_files import require_json, write_table
from commands.reporting import dropped

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anomaly_methods.methods.base import AnomalyMethod
    from anomaly_methods.methods.sources import Source, SourceStatistics
    from anomaly_methods.metrics import NonFinite
    from anomaly_methods.table import Row
    from commands.computing import RunModel

__all__ = ["add_parser", "evaluate_run", "write_results"]

EXAMPLE = """\
  python main.py evaluate --run runs/cifar10 --in-distribution cifar10 --out-of-distribution svhn"""


def add_parser(subparsers: Any) -> None:
    """Add the subcommand."""
    parser = add_command(
        subparsers,
        "evaluate",
        "Print and write a table of methods: AUROC with a 95 % interval, average precision, FPR at 95 % TPR.",
        EXAMPLE,
        run,
    )
    add_run(parser, "run of the specific model", required=True)
    parser.add_argument(
        "--general",
        metavar="RUN",
        help="run of the general model (default: DIR/general, equally trained; else the base of DIR)",
    )
    parser.add_argument(
        "--ensemble",
        nargs="+",
        default=[],
        metavar="RUN",
        help="more runs, for example of other seeds, which with DIR make an ensemble (method waic)",
    )
    parser.add_argument("--in-distribution", required=True, metavar="NAME", help="the set that belongs")
    parser.add_argument(
        "--out-of-distribution", required=True, nargs="+", metavar="NAME", help="sets that do not belong"
    )
    parser.add_argument("--method", nargs="+", metavar="M", help="methods (default: all on likelihoods)")
    parser.add_argument(
        "--nonfinite",
        choices=("raise", "anomalous"),
        default="raise",
        help="what to do with scores that are not finite: refuse, or count as most anomalous",
    )
    parser.add_argument(
        "--json",
        type=Path,
        metavar="FILE",
        help="results, and a .csv beside them (default: in DIR, named after the sets and these options)",
    )
    add_computation(parser)
    add_device(parser)
    add_download(parser)


def run(arguments: argparse.Namespace) -> int:
    """Compute what is missing, print the table and write it."""
    results = arguments.json
    require_json(results)
    computation = computation_of(arguments)
    specific = computation.run(arguments.run)
    general = general_model(specific, arguments.general)
    sets = [arguments.in_distribution, *arguments.out_of_distribution]
    rows = evaluate_run(
        computation,
        specific,
        general,
        sets,
        others=[computation.run(name) for name in arguments.ensemble],
        method_names=arguments.method,
        nonfinite=arguments.nonfinite,
    )
    write_results(rows, results or specific.folder / f"{evaluation_name(arguments)}.json")
    return 0


def evaluate_run(
    computation: Computation,
    specific: RunModel,
    general: RunModel | None,
    sets: Sequence[str],
    *,
    others: Sequence[RunModel] = (),
    method_names: Sequence[str] | None = None,
    nonfinite: NonFinite = "raise",
) -> list[Row]:
    """Return the rows of the table for image sets of which the first is the in-distribution one.

    `others` make an ensemble with the specific model.
    """
    from anomaly_methods.evaluation import evaluate
    from anomaly_methods.methods.sources import complexity_by

    chosen = known_methods(method_names)
    _require_ensemble(chosen, others)
    require_same_shape(specific, *others)
    models = models_by_role(specific, general)
    needed = needed_sources(chosen, models) + ([] if chosen else [complexity_by("png")])
    members = [specific, *others] if others else []
    for model in [*models.values(), *others]:
        computation.require_images(model, sets)
    inside, *outside = (_available(computation, models, members, spec, needed) for spec in sets)
    _tell_dropped(sets, [inside, *outside])
    methods = chosen or _usable(inside, general)
    rows = evaluate(methods, inside, outside, nonfinite=nonfinite, seed=computation.seed)
    return [_told_apart(row, models) for row in rows]


def _told_apart(row: Row, models: Mapping[str, RunModel]) -> Row:
    """Name the models of a row so that they are told apart: their folders may have the same name."""
    names = dict(zip(models, run_names([run.folder for run in models.values()]), strict=True))
    model = names["specific"] if row.model == models["specific"].name else row.model
    return replace(row, model=model, general_model=row.general_model and names["general"])


def _available(
    computation: Computation,
    models: Mapping[str, RunModel],
    members: Sequence[RunModel],
    spec: str,
    needed: Sequence[Source],
) -> SourceStatistics:
    """Return the statistics of one set that are needed, and those of the ensemble if there is one."""
    from anomaly_methods.methods.sources import ENSEMBLE_LIKELIHOODS, ensemble

    found = {source: computation.statistics(models[source.role], spec, source.kind) for source in needed}
    if members:
        found[ENSEMBLE_LIKELIHOODS] = ensemble([computation.statistics(run, spec) for run in members])
    return found


def _require_ensemble(methods: Sequence[AnomalyMethod], others: Sequence[RunModel]) -> None:
    for method in methods:
        if not others and "ensemble" in {source.role for source in method.sources.values()}:
            raise ValueError(
                f"Method {method.name} compares several runs: name the others with --ensemble RUN [RUN ...]."
            )


def write_results(rows: Sequence[Row], path: Path) -> None:
    """Print the table; write it as JSON at `path` and as CSV beside it."""
    from anomaly_methods.table import to_csv, to_json, to_text

    print(to_text(rows))
    write_table(path, to_json(rows), to_csv(rows))


def _tell_dropped(sets: Sequence[str], found: Sequence[SourceStatistics]) -> None:
    for spec, statistics in zip(sets, found, strict=True):
        if sentence := dropped(next(iter(statistics.values()))):
            print(f"{spec}: {sentence}")


def _usable(inside: SourceStatistics, general: RunModel | None) -> list[AnomalyMethod]:
    from anomaly_methods.methods.registry import METHODS, usable_methods

    usable = usable_methods(inside)
    names = {method.name for method in usable}
    rest = [method for method in METHODS.values() if method.name not in names]
    costly = [method.name for method in rest if kinds_of(method) != {"likelihood"}]
    lacking = [m.name for m in rest if kinds_of(m) == {"likelihood"} and "ensemble" not in m.sources]
    if lacking and general is None:
        print(f"Left out, for want of a general model or of scales: {', '.join(lacking)}.")
    print(f"Left out, since they take longer; name them with --method: {', '.join(costly)}.")
    return _enough_rows(usable, len(next(iter(inside.values()))))


def _enough_rows(methods: Sequence[AnomalyMethod], rows: int) -> list[AnomalyMethod]:
    """Return the methods for which one half of so many in-distribution rows is enough to learn from."""
    from anomaly_methods.methods.fishers_combination import FishersCombination

    needs = {m.name: 2 * m.least_groups for m in methods if isinstance(m, FishersCombination)}
    for name, least in needs.items():
        if rows < least:
            print(f"Left out, since {rows} in-distribution rows are too few (at least {least}): {name}.")
    return [method for method in methods if needs.get(method.name, 0) <= rows]
