"""Histograms of likelihoods and of likelihood ratios, in- against out-of-distribution."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from anomaly_methods.metrics import auroc, count_nonfinite
from anomaly_methods.run_names import run_names
from anomaly_methods.statistics import Statistics
from plots.bounds import difference_axis, likelihood_axis, scored
from plots.command import figure_parser, run_command
from plots.finding import require_alike
from plots.hierarchy_command import add_figure, add_sets, figure_path, request_of
from plots.histogram import LINES, Counts, common_edges, counted
from plots.legends import panel_legend
from plots.output import save_figure, save_table
from plots.style import (
    colours_of,
    new_figure,
    panel_letters,
    short_name,
    style,
)
from plots.wrapping import wrapped

__all__ = ["TABLE", "Panel", "draw_panel", "likelihood_panels", "make_figure", "named_panel", "save", "table"]

Scores = NDArray[np.float64]

_BINS = 60
TABLE = ("panel", "set", "role", "bin_left", "bin_right", "images")


@dataclass(frozen=True)
class Panel:
    """One set of scores per image set; higher scores are more anomalous.

    Attributes:
        title: what is scored, by which model.
        axis: the quantity and its unit.
        in_distribution: (name of the set, scores (N,)).
        out_of_distribution: name of the set -> scores (M,).
        rows: what each score is about.
    """

    title: str
    axis: str
    in_distribution: tuple[str, Scores]
    out_of_distribution: Mapping[str, Scores]
    rows: str = "images"

    def sets(self) -> dict[str, Scores]:
        """Return all sets by name, the in-distribution one first.

        Raises:
            ValueError: if there are no scores in a set, or nothing to compare with.
        """
        name, scores = self.in_distribution
        if not self.out_of_distribution or name in self.out_of_distribution:
            raise ValueError(f"{self.title!r} needs at least one out-of-distribution set besides {name!r}.")
        found = {name: scores, **self.out_of_distribution}
        for other, values in found.items():
            if not np.isfinite(values).any():
                raise ValueError(f"{self.title!r} needs at least one finite score of {other!r}, got none.")
        return found

    def aurocs(self) -> dict[str, float]:
        """Return the AUROC of every out-of-distribution set; non-finite scores count as most anomalous."""
        inside = self.in_distribution[1]
        return {
            name: auroc(inside, scores, nonfinite="anomalous")
            for name, scores in self.out_of_distribution.items()
        }


def likelihood_panels(
    specific: Sequence[Statistics], general: Sequence[Statistics] = (), names: Sequence[str] = ()
) -> list[Panel]:
    """Return the panel of the raw likelihood and, with a general model, that of the ratio.

    Both are in bits per dimension: `8 - log p / (D ln 2)`, and the specific model's minus the general one's,
    which is the log-likelihood ratio with its sign turned, so that anomalies are on the right. Where log p is
    a bound, the axis calls it one; a surrogate is shown as it is, with its sign turned.

    Args:
        specific: likelihood statistics by the in-distribution model, of the in-distribution set first.
        general: the same sets in the same order by the general model.
        names: what to call the models; without, as the statistics do.

    Raises:
        ValueError: if statistics of different images are paired, a row is about more than one image, sets are
            of different models, or both models are one.
    """
    bits = [_of_images(statistics) for statistics in specific]
    require_alike(specific)
    model, *others = names or _names(specific, general)
    axis = likelihood_axis(specific[0].meta)
    panels = [named_panel(f"Raw likelihood, model: {model}", axis, specific, bits)]
    if general:
        axis = difference_axis(specific[0].meta, general[0].meta)
        ratios = [
            own - _of_images(other) for own, other in zip(bits, _paired(specific, general), strict=True)
        ]
        (other_model,) = others
        title = f"Likelihood ratio, models: {model}, {other_model}"
        panels.append(named_panel(title, f"{axis}, {model} minus {other_model}", specific, ratios))
    return panels


def _names(*models: Sequence[Statistics]) -> list[str]:
    """Return what statistics call the models, and their part in a ratio where they call both the same."""
    found = [short_name(sets[0].meta.model) for sets in models if sets]
    if len(set(found)) == len(found):
        return found
    return [f"{name} ({role})" for name, role in zip(found, ("specific", "general"), strict=True)]


def make_figure(panels: Sequence[Panel], bins: int = _BINS) -> Figure:
    """Draw one histogram per panel, side by side."""
    names = [panel.in_distribution[0] for panel in panels]
    colours = colours_of(names, [name for panel in panels for name in panel.out_of_distribution])
    with style():
        figure, axes = new_figure(columns=len(panels), panel_height=2.6)
        for axis, panel in zip(axes, panels, strict=True):
            draw_panel(axis, panel, colours, bins)
        if len(panels) > 1:
            panel_letters(axes)
    return figure


def table(panels: Sequence[Panel], bins: int = _BINS) -> Iterator[tuple[object, ...]]:
    """Yield the numbers of the figure: images per bin; infinite edges hold what lies beyond the axis.

    A row without edges counts scores that are NaN or infinite, so the images of a set add up.
    """
    for panel in panels:
        edges = common_edges(panel.sets(), bins)
        for name, scores in panel.sets().items():
            role = "in-distribution" if name == panel.in_distribution[0] else "out-of-distribution"
            everything = np.array([-np.inf, *edges, np.inf])
            counts, _ = np.histogram(scores[np.isfinite(scores)], everything)
            for left, right, count in zip(everything[:-1], everything[1:], counts, strict=True):
                yield panel.title, short_name(name), role, float(left), float(right), int(count)
            yield panel.title, short_name(name), role, "", "", count_nonfinite(scores)


def save(panels: Sequence[Panel], path: Path, bins: int = _BINS) -> tuple[Path, Path, Path]:
    """Save the figure as PDF and PNG and its numbers as CSV, and return the files; `path` has no suffix."""
    pdf, png = save_figure(make_figure(panels, bins), path)
    return pdf, png, save_table(path, TABLE, table(panels, bins))


def _of_images(statistics: Statistics) -> Scores:
    meta = statistics.meta
    if meta.group_size != 1:
        raise ValueError(
            f"A histogram shows one number per image, but the statistics of {meta.dataset!r} are about "
            f"groups of {meta.group_size} images: extract them with a group size of 1."
        )
    return scored(statistics)


def _paired(specific: Sequence[Statistics], general: Sequence[Statistics]) -> Sequence[Statistics]:
    """Return `general` if it is about the very images of `specific`, prepared alike."""
    if len(specific) != len(general):
        raise ValueError(
            f"Each set needs statistics by both models, got {len(specific)} by the specific one "
            f"and {len(general)} by the general one."
        )
    for own, other in zip(specific, general, strict=True):
        for field in ("dataset_sha256", "split", "preprocessing", "noise_draws", "seed"):
            one, two = getattr(own.meta, field), getattr(other.meta, field)
            if one != two:
                raise ValueError(
                    f"Statistics of {own.meta.dataset!r} and {other.meta.dataset!r} cannot be paired: "
                    f"their {field} is {one!r} and {two!r}. Name the same sets, in the same order."
                )
        if not np.array_equal(own.index, other.index):
            raise ValueError(f"The two statistics of {own.meta.dataset!r} are about different images of it.")
    require_alike(general)
    first, second = specific[0].meta, general[0].meta
    if first.checkpoint_sha256 == second.checkpoint_sha256:
        raise ValueError(
            f"A ratio needs two models, but {first.model!r} and {second.model!r} have the same weights."
        )
    return general


def named_panel(title: str, axis: str, statistics: Sequence[Statistics], scores: Sequence[Scores]) -> Panel:
    """Return a panel of scores that were made of statistics, the in-distribution set first.

    Raises:
        ValueError: a set comes twice.
    """
    names = [f"{item.meta.dataset} {item.meta.split}" for item in statistics]
    if len(set(names)) < len(names):
        raise ValueError(f"Each set can be shown once, got {', '.join(names)}.")
    size = statistics[0].meta.group_size
    rows = "images" if size == 1 else f"groups of {size}"
    return Panel(title, axis, (names[0], scores[0]), dict(zip(names[1:], scores[1:], strict=True)), rows)


def draw_panel(axis: Axes, panel: Panel, colours: Mapping[str, str], bins: int = _BINS) -> None:
    """Draw the histograms of one panel, each set in its colour."""
    sets = panel.sets()
    edges = common_edges(sets, bins)
    for number, (name, scores) in enumerate(sets.items()):
        counts = counted(scores, edges)
        line = LINES[number % len(LINES)]
        label = _label(name, number > 0, counts)
        axis.stairs(counts.percent, edges, color=colours[name], linestyle=line, label=label)
        if number == 0:
            axis.stairs(counts.percent, edges, fill=True, color=colours[name], alpha=0.3)
    axis.set_title(_title(panel))
    axis.set_xlabel(f"{wrapped(panel.axis)}\nmore anomalous \N{RIGHTWARDS ARROW}")
    axis.set_ylabel(f"{panel.rows} per bin (% of set)")
    room_for_legend = 1.05 + 0.13 * panel_legend(axis, size=6)
    axis.set(xlim=(edges[0], edges[-1]), ylim=(0, room_for_legend * axis.get_ylim()[1]))


def _label(name: str, is_out: bool, counts: Counts) -> str:
    """Name a set, its role, its size, and how many of its images the axis does not show."""
    hidden = counts.below + counts.above + counts.nonfinite
    rest = f", {hidden} not shown" if hidden else ""
    return f"{short_name(name)} ({'out' if is_out else 'in'}), n = {counts.total:,}{rest}"


def _title(panel: Panel) -> str:
    aurocs = panel.aurocs()
    if len(aurocs) == 1:
        listed = f"{next(iter(aurocs.values())):.3f}"
    else:
        each = (f"{short_name(name)} {value:.3f}" for name, value in aurocs.items())
        listed = ", ".join(text.replace(" ", "\N{NO-BREAK SPACE}") for text in each)
    return wrapped(f"{panel.title}\nAUROC {listed}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw from a run's statistics, or from statistics files of which the in-distribution set comes first."""
    parser = figure_parser(
        "plots.likelihood_histograms",
        __doc__,
        "--run runs/cifar10 --in-distribution cifar10 --out-of-distribution svhn --limit 2000",
    )
    add = parser.add_argument
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--run", metavar="DIR", help="run of the in-distribution model")
    source.add_argument(
        "--specific", type=Path, nargs="+", default=[], metavar="FILE", help="or statistics files by it"
    )
    add(
        "--general",
        nargs="+",
        default=[],
        metavar="RUN",
        help="general model (default: DIR/general, equally trained; else the base of DIR); with --specific, "
        "statistics files of the same sets by it",
    )
    add_sets(parser, required=False)
    add("--bins", type=int, default=_BINS, metavar="N", help=f"of each histogram (default: {_BINS})")
    add_figure(parser)
    options = parser.parse_args(arguments)
    panels, output = _of_files(options) if options.specific else _of_run(options)
    for file in save(panels, output, options.bins):
        print(file)


def _of_files(options: argparse.Namespace) -> tuple[list[Panel], Path]:
    output = figure_path(options.output, "likelihood-histograms", [path.stem for path in options.specific])
    specific, general = (
        [Statistics.load(Path(path)) for path in paths] for paths in (options.specific, options.general)
    )
    return likelihood_panels(specific, general), output


def _of_run(options: argparse.Namespace) -> tuple[list[Panel], Path]:
    if options.group_size != 1:
        raise ValueError(
            f"A histogram shows one number per image: leave --group-size at 1, got {options.group_size}."
        )
    request = request_of(options, "likelihood-histograms")
    (run,) = request.runs
    general = request.general_of(run)
    runs = [run] if general is None else [run, general]
    specific, *others = request.likelihoods(runs)
    return likelihood_panels(specific, others[0] if others else (), run_names(runs)), request.output


if __name__ == "__main__":
    run_command(main)
