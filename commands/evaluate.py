"""`main.py evaluate`: how well each method tells image sets apart."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from commands.common import add_command, add_device, add_download, add_run, existing_run
from commands.computing import Computation, RunModel, add_computation, computation_of
from invglow.files import replacing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anomaly_methods.methods.base import AnomalyMethod
    from anomaly_methods.methods.sources import Source, SourceStatistics
    from anomaly_methods.metrics import NonFinite
    from anomaly_methods.table import Row

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
        "--json", type=Path, metavar="FILE", help="results (default: DIR/evaluation.json), and .csv"
    )
    add_computation(parser)
    add_device(parser)
    add_download(parser)


def run(arguments: argparse.Namespace) -> int:
    """Compute what is missing, print the table and write it."""
    results = arguments.json
    if results is not None and results.suffix == ".csv":
        raise ValueError(f"--json names the JSON file, and the CSV is written beside it; got {results}.")
    computation = computation_of(arguments)
    specific = RunModel(existing_run(arguments.run), computation.device)
    general = _general(specific, arguments.general)
    sets = [arguments.in_distribution, *arguments.out_of_distribution]
    rows = evaluate_run(
        computation, specific, general, sets, method_names=arguments.method, nonfinite=arguments.nonfinite
    )
    write_results(rows, results or specific.folder / "evaluation.json")
    return 0


def evaluate_run(
    computation: Computation,
    specific: RunModel,
    general: RunModel | None,
    sets: Sequence[str],
    *,
    method_names: Sequence[str] | None = None,
    nonfinite: NonFinite = "raise",
) -> list[Row]:
    """Return the rows of the table for image sets of which the first is the in-distribution one."""
    from anomaly_methods.evaluation import evaluate

    chosen = _known_methods(method_names)
    models = {"specific": specific} if general is None else {"specific": specific, "general": general}
    needed = _needed(chosen, models)
    inside, *outside = (
        {source: computation.statistics(models[source.role], spec, source.kind) for source in needed}
        for spec in sets
    )
    return evaluate(
        chosen or _usable(inside, general), inside, outside, nonfinite=nonfinite, seed=computation.seed
    )


def write_results(rows: Sequence[Row], path: Path) -> None:
    """Print the table; write it as JSON at `path` and as CSV beside it."""
    from anomaly_methods.table import to_csv, to_json, to_text

    print(to_text(rows))
    csv = path.with_suffix(".csv")
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(to_json(rows), indent=2) + "\n")
    with replacing(csv) as temporary:
        temporary.write_text(to_csv(rows))
    print(f"Written: {path} and {csv}")


def _general(specific: RunModel, name: str | None) -> RunModel | None:
    """Return the general model that was named, or else the best that the run knows of."""
    from models.runs import general_run_of

    if name is not None:
        return RunModel(existing_run(name), specific.device)
    folder = general_run_of(specific.folder)
    if folder is None:
        print("No general model is known for this run (train with --base, or name one with --general).")
        return None
    if folder.parent != specific.folder:
        print(f"General model: {folder}, which was not trained on as long as {specific.folder}.")
    return RunModel(folder, specific.device)


def _known_methods(names: Sequence[str] | None) -> list[AnomalyMethod]:
    """Look the methods up before anything is computed, so that a misspelt one costs no time."""
    from anomaly_methods.methods.registry import get_method

    return [get_method(name) for name in names or ()]


def _needed(methods: Sequence[AnomalyMethod], models: Mapping[str, RunModel]) -> list[Source]:
    """Return the statistics that the methods need; without methods, the likelihoods by every model."""
    from anomaly_methods.methods.sources import Source

    if not methods:
        return [Source(role, "likelihood") for role in models]
    wanted = {source: None for method in methods for source in method.sources.values()}
    return [source for source in wanted if source.role in models]


def _usable(inside: SourceStatistics, general: RunModel | None) -> list[AnomalyMethod]:
    from anomaly_methods.methods.registry import METHODS, usable_methods

    usable = usable_methods(inside)
    names = {method.name for method in usable}
    rest = [method for method in METHODS.values() if method.name not in names]
    gradients = [method.name for method in rest if _kinds(method) != {"likelihood"}]
    others = [method.name for method in rest if _kinds(method) == {"likelihood"}]
    if others and general is None:
        print(f"Left out, for want of a general model or of scales: {', '.join(others)}.")
    print(f"Left out, since they take longer; name them with --method: {', '.join(gradients)}.")
    return _enough_rows(usable, len(next(iter(inside.values()))))


def _enough_rows(methods: Sequence[AnomalyMethod], rows: int) -> list[AnomalyMethod]:
    """Return the methods for which one half of so many in-distribution rows is enough to learn from."""
    from anomaly_methods.methods.fishers_combination import FishersCombination

    needs = {m.name: 2 * m.least_groups for m in methods if isinstance(m, FishersCombination)}
    for name, least in needs.items():
        if rows < least:
            print(f"Left out, since {rows} in-distribution rows are too few (at least {least}): {name}.")
    return [method for method in methods if needs.get(method.name, 0) <= rows]


def _kinds(method: AnomalyMethod) -> set[str]:
    return {source.kind for source in method.sources.values()}
