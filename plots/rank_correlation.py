"""Ranks of the likelihoods of the same images under models of different sets, one against the other."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.stats import rankdata

from anomaly_methods.analyses.ranks import ALL_SETS, RankCorrelation, rank_correlations
from anomaly_methods.methods.sources import joined
from anomaly_methods.run_names import run_names
from anomaly_methods.statistics import Statistics
from plots.command import figure_parser, run_command
from plots.hierarchy_command import (
    add_figure,
    add_general,
    add_sets,
    request_of,
)
from plots.legends import legend_below
from plots.output import save_figure, save_table
from plots.style import (
    colours_of,
    new_figure,
    panel_letters,
    short_name,
    style,
)
from plots.wrapping import wrapped

__all__ = ["Ranking", "make_figure", "ranking", "save"]

Numbers = NDArray[np.float64]

_COEFFICIENTS = ("model", "other", "set", "spearman", "images")


@dataclass(frozen=True)
class Ranking:
    """The same images ranked by several models, and how well each pair of models agrees.

    Attributes:
        sets: names of the image sets, the in-distribution one first.
        place: which of the sets each image is of, (N,).
        index: its position in that set, (N,).
        log_probs: {model: log p(x) in nats, (N,)}.
        correlations: Spearman's coefficient of each pair of models, on each set and on all of them.
        nonfinite: images left out, since log p(x) is NaN or infinite under a model.
        group_size: images that are judged together.
    """

    sets: Sequence[str]
    place: NDArray[np.int64]
    index: NDArray[np.int64]
    log_probs: Mapping[str, Numbers]
    correlations: Sequence[RankCorrelation]
    nonfinite: int
    group_size: int

    def ranks(self, model: str) -> Numbers:
        """Return the rank of each image among all images of all sets, (N,); 1 is the least likely."""
        found: Numbers = rankdata(self.log_probs[model])
        return found

    def coefficient(self, pair: tuple[str, str], name: str) -> RankCorrelation:
        """Return the coefficient of two models on one of the sets, or on all of them together."""
        rows = self.correlations
        return next(row for row in rows if (row.model, row.other) == pair and row.dataset == name)


def ranking(by_model: Mapping[str, Sequence[Statistics]]) -> Ranking:
    """Rank images by every model, those left out that are not finite under one of them.

    Args:
        by_model: {name: likelihood statistics of each image set}, the same sets in the same order for all.

    Raises:
        ValueError: there are fewer than two models, images or settings differ, a model is compared with
            itself, or fewer than three finite values, or values that are all the same, are left.
    """
    kept, left_out = _finite(by_model)
    first = next(iter(kept.values()))
    names = [f"{statistics.meta.dataset} {statistics.meta.split}" for statistics in first]
    log_probs = {model: [statistics.value("log_prob") for statistics in sets] for model, sets in kept.items()}
    if len({statistics.meta.dataset for statistics in first}) < len(names):
        raise ValueError(f"Each set can be shown once, got {', '.join(names)}.")
    return Ranking(
        sets=names,
        place=np.repeat(np.arange(len(first)), [len(statistics) for statistics in first]),
        index=np.concatenate([statistics.index for statistics in first]),
        log_probs={model: np.concatenate(values) for model, values in log_probs.items()},
        correlations=rank_correlations(kept),
        nonfinite=left_out,
        group_size=first[0].meta.group_size,
    )


def _finite(by_model: Mapping[str, Sequence[Statistics]]) -> tuple[dict[str, list[Statistics]], int]:
    """Return the rows whose log p is finite under all models, and the number of the others."""
    counts = {name: len(sets) for name, sets in by_model.items()}
    if len(counts) < 2 or len(set(counts.values())) > 1 or 0 in counts.values():
        raise ValueError(
            f"Ranks compare at least two models on the same image sets, got {counts or 'none'} (sets)."
        )
    kept: dict[str, list[Statistics]] = {name: [] for name in by_model}
    left_out = 0
    for of_one_set in zip(*by_model.values(), strict=True):
        joined(dict(zip(by_model, of_one_set, strict=True)))  # refuses what does not belong together
        mask = np.isfinite([one.value("log_prob") for one in of_one_set]).all(axis=0)
        left_out += int(np.count_nonzero(~mask))
        for name, one in zip(by_model, of_one_set, strict=True):
            kept[name].append(one.select(mask))
    return kept, left_out


def make_figure(found: Ranking) -> Figure:
    """Draw one scatter for each pair of models."""
    pairs = list(itertools.combinations(found.log_probs, 2))
    colours = colours_of(found.sets[:1], found.sets[1:])
    with style():
        figure, axes = new_figure(columns=len(pairs), panel_height=3.4)
        for axis, pair in zip(axes, pairs, strict=True):
            _draw(axis, found, pair, colours)
        if len(pairs) > 1:
            panel_letters(axes)
    return figure


def _draw(axis: Axes, found: Ranking, pair: tuple[str, str], colours: Mapping[str, str]) -> None:
    total = len(found.place)
    order = np.random.default_rng(0).permutation(total)  # so that no set covers another
    by_place = np.array([colours[name] for name in found.sets])
    x, y = (found.ranks(model)[order] for model in pair)
    axis.scatter(x, y, s=1.5, c=by_place[found.place[order]], alpha=0.4, linewidths=0, rasterized=True)
    for name in found.sets:
        axis.scatter([], [], s=12, color=colours[name], label=_label(found, pair, name))
    ends = (1 - 0.02 * total, 1.02 * total)
    axis.set(xlim=ends, ylim=ends, aspect="equal")
    what = "images" if found.group_size == 1 else f"groups of {found.group_size} images"
    x_label, y_label = (
        f"{wrapped(f'rank of log p(x) under {model}', 2.4)}\n(of {total:,} {what}, 1 = least likely)"
        for model in pair
    )
    axis.set(xlabel=x_label, ylabel=y_label)
    axis.set_title(_title(found, pair))
    legend_below(axis, size=7, handletextpad=0.2)


def _title(found: Ranking, pair: tuple[str, str]) -> str:
    lines = [f"Likelihood ranks, models: {', '.join(pair)}"]
    if len(found.sets) > 1:
        row = found.coefficient(pair, ALL_SETS)
        lines.append(f"Spearman's \N{GREEK SMALL LETTER RHO} of all sets {row.spearman:.4f}")
    if found.nonfinite:
        lines.append(f"{found.nonfinite:,} left out: log p(x) is not finite")
    return wrapped("\n".join(lines), 2.4)


def _label(found: Ranking, pair: tuple[str, str], name: str) -> str:
    dataset, _, _ = name.rpartition(" ")
    row = found.coefficient(pair, dataset)
    rho = f"\N{GREEK SMALL LETTER RHO} = {row.spearman:.4f}"
    return f"{short_name(name)}, n = {row.n:,}, {rho}"


def save(found: Ranking, path: Path) -> tuple[Path, ...]:
    """Save the figure as PDF and PNG, its points and its coefficients as CSV; `path` has no suffix."""
    columns = [f"{what} {model}" for model in found.log_probs for what in ("log_prob", "rank")]
    points = save_table(path, ["set", "image", *columns], _points(found))
    coefficients = (
        (row.model, row.other, short_name(row.dataset), row.spearman, row.n) for row in found.correlations
    )
    of_pairs = save_table(path.with_name(f"{path.name}-coefficients"), _COEFFICIENTS, coefficients)
    return (*save_figure(make_figure(found), path), points, of_pairs)


def _points(found: Ranking) -> Iterator[tuple[object, ...]]:
    columns = [column for model in found.log_probs for column in (found.log_probs[model], found.ranks(model))]
    for place, index, *values in zip(found.place, found.index, *columns, strict=True):
        yield short_name(found.sets[place]), int(index), *map(float, values)


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw from the statistics of several runs."""
    parser = figure_parser(
        "plots.rank_correlation",
        __doc__,
        "--run runs/cifar10 --others runs/svhn --in-distribution cifar10 --out-of-distribution svhn",
    )
    parser.add_argument("--run", required=True, metavar="DIR", help="run of the in-distribution model")
    parser.add_argument(
        "--others", nargs="+", default=[], metavar="RUN", help="runs to compare with (default: --general)"
    )
    add_general(parser)
    add_sets(parser)
    add_figure(parser)
    options = parser.parse_args(arguments)
    options.run = [options.run, *options.others]
    request = request_of(options, "rank-correlation")
    runs = list(request.runs)
    if len(runs) == 1 or request.generals:
        runs += [general for general in [request.general_of(runs[0])] if general is not None]
    found = ranking(dict(zip(run_names(runs), request.likelihoods(runs), strict=True)))
    for file in save(found, request.output):
        print(file)


if __name__ == "__main__":
    run_command(main)
