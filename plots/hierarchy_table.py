"""The first paper's table: AUROC of raw likelihood, last scale and ratios, of models trained in many ways."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from anomaly_methods.evaluation import evaluate
from anomaly_methods.methods.registry import get_method
from anomaly_methods.methods.sources import SourceStatistics
from anomaly_methods.run_names import run_names
from anomaly_methods.table import Row
from invglow.run_config import read_config
from invglow.sections import OBJECT, TEXT, read_section
from plots.command import figure_parser, run_command
from plots.finding import Need
from plots.hierarchy_command import (
    HierarchyRequest,
    add_figure,
    add_sets,
    request_of,
)
from plots.style import short_name
from plots.written_table import Cell, WrittenTable, save_written_table

__all__ = ["HierarchyRow", "hierarchy_rows", "make_table", "training_of"]

# Method -> its column, in the paper's order.
_COLUMNS: Mapping[str, str] = {
    "raw_likelihood": "raw",
    "last_scale": "last scale",
    "likelihood_ratio": "ratio to general",
    "last_scale_ratio": "ratio of last scale",
    "complexity_ratio": "ratio to PNG",
}
_ARCHITECTURES: Mapping[str, str] = {"local": "local patches", "dense": "fully connected"}


@dataclass(frozen=True)
class HierarchyRow:
    """One model against one out-of-distribution set.

    Attributes:
        model: name of the run.
        training: how it was trained, such as "margin outlier loss".
        results: {method: its row}; a method that the model does not allow is left out.
        general: name of the general model's run; without, as the statistics call the model.
    """

    model: str
    training: str
    results: Mapping[str, Row]
    general: str = ""

    def general_of(self, result: Row) -> str:
        """Return the general model that a row of `results` compares with; empty where it does with none."""
        return result.general_model and (self.general or result.general_model)


def hierarchy_rows(
    model: str,
    training: str,
    inside: SourceStatistics,
    outside: Sequence[SourceStatistics],
    *,
    general: str = "",
    methods: Sequence[str] = tuple(_COLUMNS),
    seed: int = 0,
) -> list[HierarchyRow]:
    """Return one row for each out-of-distribution set; scores that are not finite are the most anomalous.

    Args:
        model: name of the run.
        training: how it was trained.
        inside: statistics of the in-distribution set by source.
        outside: the same of the other sets.
        general: name of the general model's run; without, as the statistics call the model.
        methods: names; those for which statistics are missing are left out, unless all would be.
        seed: of halves and resampling.

    Raises:
        ValueError: statistics do not belong together, allow none of the methods, or there is no such method.
    """
    try:
        unmet = {method: method.unmet(inside) for method in map(get_method, methods)}
        usable = [method for method, lack in unmet.items() if lack is None]
        if not usable:
            raise ValueError(next(filter(None, unmet.values()), "no method was named."))
        found = evaluate(usable, inside, outside, nonfinite="anomalous", seed=seed)
    except ValueError as error:
        raise ValueError(f"{model} cannot be in the table: {error}") from error
    by_set: dict[str, dict[str, Row]] = {}
    for row in found:
        by_set.setdefault(row.out_of_distribution, {})[row.method] = row
    return [HierarchyRow(model, training, results, general) for results in by_set.values()]


def make_table(rows: Sequence[HierarchyRow], methods: Sequence[str] = tuple(_COLUMNS)) -> WrittenTable:
    """Return the table: a line per model and out-of-distribution set, a column per method.

    Raises:
        ValueError: there are no rows, or they differ in their in-distribution set or group size.
    """
    results = [result for row in rows for result in row.results.values()]
    settings = {(result.in_distribution, result.group_size) for result in results}
    if len(settings) != 1:
        listed = ", ".join(f"{short_name(name)} in groups of {size}" for name, size in sorted(settings))
        raise ValueError(f"A table is about one in-distribution set and group size, got {listed or 'none'}.")
    names = [get_method(name).name for name in methods]
    return WrittenTable(
        caption=_caption(rows, results),
        header=["model", "training", "out-of-distribution", *(_COLUMNS.get(name, name) for name in names)],
        rows=[_cells(row, names) for row in rows],
        entries=[
            {
                "training": row.training,
                "run": row.model,
                **result.to_json(),
                "general_model": row.general_of(result),
            }
            for row in rows
            for result in row.results.values()
        ],
        words=3,
    )


def _cells(row: HierarchyRow, methods: Sequence[str]) -> list[Cell]:
    (outside,) = {result.out_of_distribution for result in row.results.values()}
    words = [row.model, row.training, short_name(outside)]
    return [Cell(text) for text in (*words, *(_shown(row.results.get(name)) for name in methods))]


def _shown(result: Row | None) -> str:
    if result is None:
        return ""
    found = result.separation
    return f"{found.auroc:.3f} ({found.auroc_low:.3f} \N{EN DASH} {found.auroc_high:.3f})"


def _caption(rows: Sequence[HierarchyRow], results: Sequence[Row]) -> str:
    first = results[0]
    images = "single images" if first.group_size == 1 else f"groups of {first.group_size} images"
    counts = sorted({(result.separation.n_in, result.separation.n_out) for result in results})
    listed = " or ".join(f"{n_in:,} in, {n_out:,} out" for n_in, n_out in counts)
    sentences = [
        f"AUROC (95 % interval over images) against {short_name(first.in_distribution)}, {images}: {listed}",
        f"Likelihoods: {', '.join(sorted({result.bound_said for result in results}))}",
    ]
    if generals := _generals(rows):
        sentences.append(f"General model of the ratios: {generals}")
    if bad := max(result.separation.nonfinite for result in results):
        sentences.append(f"Scores that are not finite count as the most anomalous: up to {bad:,} in a cell")
    return ". ".join(sentences) + "."


def _generals(rows: Sequence[HierarchyRow]) -> str:
    """Name the general model, and whose it is where there are several."""
    pairs = {
        row.model: general
        for row in rows
        for result in row.results.values()
        if (general := row.general_of(result))
    }
    if len(set(pairs.values())) <= 1:
        return next(iter(pairs.values()), "")
    return ", ".join(f"{general} of {model}" for model, general in pairs.items())


def training_of(run: Path) -> str:
    """Say how a run was trained, from its configuration."""
    config = read_config(run)
    words = []
    if config.get("outliers") is not None:
        words.append(f"{read_section(run, 'outliers', loss=TEXT)['loss']} outlier loss")
    settings = read_section(run, "model", settings=OBJECT)["settings"]
    if config.get("labels") is not None or settings.get("classes"):
        words.append("class-conditional")
    architecture = settings.get("architecture")
    if architecture in _ARCHITECTURES:
        words.append(_ARCHITECTURES[architecture])
    return ", ".join(words) or "maximum likelihood"


def _rows_of(request: HierarchyRequest, methods: Sequence[str]) -> list[HierarchyRow]:
    """Look everything up, for all runs before any work, and measure."""
    sources = {source: None for name in methods for source in get_method(name).sources.values()}
    roles = [_roles(request, run) for run in request.runs]
    request.finder.require(
        Need(folder, request.sets, kinds)
        for models in roles
        for role, folder in models.items()
        if (kinds := list(dict.fromkeys(source.kind for source in sources if source.role == role)))
    )
    folders = [folder for models in roles for folder in models.values()]
    names = dict(zip(folders, run_names(folders), strict=True))
    rows = []
    for run, models in zip(request.runs, roles, strict=True):
        wanted = [source for source in sources if source.role in models]
        inside, *outside = (request.finder.sources(models, spec, wanted) for spec in request.sets)
        rows += hierarchy_rows(
            *(names[run], training_of(run), inside, outside),
            general=names[models["general"]] if "general" in models else "",
            methods=methods,
            seed=request.seed,
        )
    return rows


def _roles(request: HierarchyRequest, run: Path) -> dict[str, Path]:
    general = request.general_of(run)
    return {"specific": run} | ({} if general is None else {"general": general})


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the table of several runs."""
    parser = figure_parser(
        "plots.hierarchy_table",
        __doc__,
        "--run runs/plain runs/margin --general runs/plain/general --in-distribution cifar10 "
        "--out-of-distribution svhn",
    )
    add = parser.add_argument
    add("--run", nargs="+", required=True, metavar="DIR", help="runs, a line of the table each")
    add(
        "--general",
        nargs="+",
        metavar="RUN",
        help="general model of all runs, or of each, where none stands for a run without (default: "
        "DIR/general, equally trained; else the base of DIR)",
    )
    add(
        "--method",
        nargs="+",
        default=list(_COLUMNS),
        metavar="M",
        help="columns (default: those of the paper)",
    )
    add_sets(parser)
    add_figure(parser)
    options = parser.parse_args(arguments)
    request = request_of(options, "hierarchy-table")
    methods = list(dict.fromkeys(options.method))
    table = make_table(_rows_of(request, methods), methods)
    for file in save_written_table(table, request.output):
        print(file)


if __name__ == "__main__":
    run_command(main)
