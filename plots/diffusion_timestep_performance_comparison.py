"""How well a diffusion model finds anomalies by its loss at one timestep T, for many T."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from anomaly_methods.evaluation import score_sets
from anomaly_methods.methods.registry import get_method
from anomaly_methods.metrics import auroc, auroc_interval, count_nonfinite
from invglow.sections import OBJECT, TEXT, read_section
from plots.command import run_command
from plots.legends import panel_legend
from plots.output import save_with_numbers
from plots.paper_command import paper_parser, request_of
from plots.paper_request import PaperModel, PaperRequest
from plots.scoring import require_others
from plots.style import colours_of, new_figure, panel_letters, short_name, style
from plots.wrapping import wrapped

__all__ = ["TABLE", "TIMESTEPS", "Performance", "make_figure", "performances", "table", "timesteps_of"]

TIMESTEPS = (*(2**power for power in range(10)), 999)
"""What the second paper compares."""

TABLE = (
    "model",
    "method",
    "in_distribution",
    "out_of_distribution",
    "timestep",
    "auroc",
    "auroc_low",
    "auroc_high",
    "rows_in",
    "rows_out",
    "group_size",
    "nonfinite",
)
_FAMILY = "diffusion"
_STANDARD_TIMESTEPS = 1000  # of a run whose configuration does not say
_MARKERS = "osD^vP*X"


@dataclass(frozen=True)
class Performance:
    """The AUROC of one method for one timestep, with the ends of its bootstrap 95 % interval.

    Attributes:
        model: name of the run.
        method: name of the anomaly method.
        inside: the in-distribution set.
        outside: the out-of-distribution set.
        timestep: T; the statistics are of the loss, or its gradient, at T.
        auroc: probability that a row of `outside` scores as more anomalous than one of `inside`.
        low: end of the interval.
        high: end of the interval.
        rows: tested, in and out of distribution; each is one group of images.
        group_size: images in each.
        nonfinite: scores that were NaN or infinite, which count as most anomalous.
    """

    model: str
    method: str
    inside: str
    outside: str
    timestep: int
    auroc: float
    low: float
    high: float
    rows: tuple[int, int]
    group_size: int
    nonfinite: int


def timesteps_of(model: PaperModel, wanted: Sequence[int] | None) -> list[int]:
    """Return the timesteps to compare, the paper's if none are given, as far as the model has them.

    Raises:
        ValueError: the model has no timesteps, or not one that was asked for.
    """
    section = read_section(model.run, "model", family=TEXT, settings=OBJECT)
    if section["family"] != _FAMILY:
        raise ValueError(
            f"Timesteps are those of a {_FAMILY} model, and {model.run} is a run of the family "
            f"{section['family']}: name a {_FAMILY} run."
        )
    last = section["settings"].get("timesteps", _STANDARD_TIMESTEPS)
    if wanted is None:
        return [timestep for timestep in TIMESTEPS if timestep <= last]
    for timestep in wanted:
        if not 1 <= timestep <= last:
            raise ValueError(f"--timesteps of {model.run} must be from 1 to {last}, got {timestep}.")
    return sorted(set(wanted))


def at_timestep(request: PaperRequest, timestep: int) -> PaperRequest:
    """Return the same request for statistics of the loss at one timestep."""
    selection = request.finder.selection
    settings = {**selection.evaluation, "evaluation": "timestep", "timestep": timestep}
    finder = replace(request.finder, selection=replace(selection, evaluation=settings))
    return replace(request, finder=finder)


def performances(request: PaperRequest, model: PaperModel, timestep: int) -> Iterator[Performance]:
    """Score all sets with every method from the statistics of one timestep, and measure.

    Methods that fit learn from one random half of the in-distribution rows and are tested on the other.

    Raises:
        FileNotFoundError: statistics are missing; the sentence holds the command that makes them.
        ValueError: they do not belong together.
    """
    at = at_timestep(request, timestep)
    for method in map(get_method, request.methods):
        inside, *others = at.sources(model, method.sources).values()
        scored = score_sets(method, inside, others, nonfinite="anomalous", seed=request.seed)
        first = scored[0]
        for other in scored[1:]:
            pair = (first.scores, other.scores)
            low, high = auroc_interval(*pair, nonfinite="anomalous", seed=request.seed)
            yield Performance(
                model=model.name,
                method=method.name,
                inside=f"{first.meta.dataset} {first.meta.split}",
                outside=f"{other.meta.dataset} {other.meta.split}",
                timestep=timestep,
                auroc=auroc(*pair, nonfinite="anomalous"),
                low=low,
                high=high,
                rows=(len(first.scores), len(other.scores)),
                group_size=first.meta.group_size,
                nonfinite=sum(map(count_nonfinite, pair)),
            )


def make_figure(found: Sequence[Performance]) -> Figure:
    """Draw one panel for each model and method, with one line for each out-of-distribution set."""
    panels = list(dict.fromkeys((row.model, row.method) for row in found))
    colours = colours_of([row.inside for row in found], [row.outside for row in found])
    across = min(3, len(panels))
    with style():
        figure, axes = new_figure(across, math.ceil(len(panels) / across), panel_height=2.8)
        for axis, panel in zip(axes, panels, strict=False):
            _draw(axis, [row for row in found if (row.model, row.method) == panel], colours)
        for axis in axes[len(panels) :]:
            axis.set_visible(False)
        if len(panels) > 1:
            panel_letters(axes[: len(panels)])
    return figure


def table(found: Sequence[Performance]) -> Iterator[tuple[object, ...]]:
    """Yield the numbers of the figure."""
    for row in found:
        names = (row.model, row.method, row.inside, row.outside, row.timestep)
        yield *names, row.auroc, row.low, row.high, *row.rows, row.group_size, row.nonfinite


def _draw(axis: Axes, found: Sequence[Performance], colours: dict[str, str]) -> None:
    for marker, name in zip(_MARKERS * len(found), dict.fromkeys(row.outside for row in found), strict=False):
        rows = [row for row in found if row.outside == name]
        error = [[row.auroc - row.low for row in rows], [row.high - row.auroc for row in rows]]
        axis.errorbar(
            [row.timestep for row in rows],
            [row.auroc for row in rows],
            yerr=error,
            color=colours[name],
            marker=marker,
            markersize=3,
            elinewidth=0.7,
            label=_label(rows),
        )
    first, timesteps = found[0], sorted({row.timestep for row in found})
    axis.axhline(0.5, color="black", linewidth=0.6, linestyle=":")
    axis.set_xscale("log", base=2)
    axis.set_xticks(timesteps, [str(timestep) for timestep in timesteps], rotation=60)
    axis.minorticks_off()
    axis.set_yticks([0, 0.25, 0.5, 0.75, 1])
    axis.set_xlabel("timestep T of the loss")
    axis.set_ylabel("AUROC (95 % interval)")
    model = f"model: {first.model}, group size {first.group_size}"
    inside = f"in: {short_name(first.inside)}, n = {first.rows[0]:,}"
    axis.set_title(wrapped(f"{first.method}\n{model}\n{inside}", size=7), fontsize=7)
    axis.set(ylim=(-0.02, 1.12 + 0.09 * panel_legend(axis, loc="upper left")))


def _label(rows: Sequence[Performance]) -> str:
    broken = sum(row.nonfinite for row in rows)
    rest = f", {broken} scores not finite" if broken else ""
    return f"{short_name(rows[0].outside)} (out), n = {rows[0].rows[1]:,}{rest}"


def _require_all(request: PaperRequest, timesteps: Sequence[int]) -> None:
    """Look at, or make, the statistics of all timesteps before any of them is used."""
    missing: dict[int, FileNotFoundError] = {}
    for timestep in timesteps:
        try:
            at_timestep(request, timestep).require()
        except FileNotFoundError as error:
            missing[timestep] = error
    if missing:
        listed = ", ".join(map(str, missing))
        raise FileNotFoundError(f"For timesteps {listed}. {next(iter(missing.values()))}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw from the statistics of diffusion runs at several timesteps."""
    example = "diffusion cifar10 --id_datasets cifar10 --datasets svhn --batch_size 5 --compute "
    example += "--anomaly_detection gradients_L2_norms_gaussian typicality --timesteps 1 16 256"
    module = "plots.diffusion_timestep_performance_comparison"
    parser = paper_parser(module, __doc__, example, methods="+")
    parser.add_argument(
        "--timesteps",
        type=int,
        nargs="+",
        metavar="T",
        help=f"which, from 1 (default: {', '.join(map(str, TIMESTEPS))})",
    )
    options = parser.parse_args(arguments)
    if options.timestep is not None:
        raise ValueError("This figure compares timesteps: name them with --timesteps, not with --timestep.")
    request = request_of(options, "diffusion_timestep_performance_comparison")
    require_others(request)
    timesteps = {model: timesteps_of(model, options.timesteps) for model in request.models}
    for model, wanted in timesteps.items():
        _require_all(replace(request, models=(model,)), wanted)
    found = [
        row
        for model, wanted in timesteps.items()
        for timestep in wanted
        for row in performances(request, model, timestep)
    ]
    save_with_numbers(make_figure(found), request.output, TABLE, table(found))


if __name__ == "__main__":
    run_command(main)
