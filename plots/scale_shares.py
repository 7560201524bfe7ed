"""The shares of the scales of a flow in log p(x), in- against out-of-distribution."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from anomaly_methods.analyses.scales import TOTAL, ScaleShare, scale_shares
from anomaly_methods.statistics import Statistics
from plots.command import figure_parser, run_command
from plots.finding import require_alike
from plots.hierarchy_command import add_figure, add_sets, request_of
from plots.legends import legend_below, panel_legend
from plots.likelihood_histograms import TABLE, Panel, draw_panel, named_panel, table
from plots.output import save_figure, save_table
from plots.style import (
    colours_of,
    new_figure,
    panel_letters,
    short_name,
    style,
)
from plots.wrapping import wrapped

__all__ = ["Shares", "make_figure", "save", "shares_of"]

_DIFFERENCES = ("set", "scale", "mean", "std", "difference", "of_difference", "auroc", "images")
_AXIS = "minus share of log p(x), bits per dimension"


@dataclass(frozen=True)
class Shares:
    """What the scales of one model contribute to log p(x) of several image sets.

    Attributes:
        model: its name.
        panels: histograms of one scale each, the finest first; higher values are more anomalous.
        differences: means per set and scale in nats, of the images whose shares are all finite.
        sizes: {scale: its name and the size of its latents}.
        group_size: images whose shares are summed.
        nonfinite: {set: images left out of the means}.
    """

    model: str
    panels: Sequence[Panel]
    differences: Sequence[ScaleShare]
    sizes: Mapping[str, str]
    group_size: int
    nonfinite: Mapping[str, int]


def shares_of(sets: Sequence[Statistics]) -> Shares:
    """Return the shares of the scales in likelihood statistics, of the in-distribution set first.

    In bits, a share is minus share / (D ln 2), D the dimensions of the whole image, so that the shares of all
    scales and the 8 bits of a grey value sum to the bits per dimension of the image.

    Raises:
        ValueError: statistics are not alike, have no scales, no finite rows, or there is one set only.

    References:
        Schirrmeister et al. (2020), equation 3 and the figure of the three scales.
    """
    require_alike(sets)
    finite = [statistics.select(statistics.finite_rows()) for statistics in sets]
    for all_, kept in zip(sets, finite, strict=True):
        if not len(kept):
            raise ValueError(
                f"The shares of {all_.meta.dataset!r} under {all_.meta.model!r} are NaN or infinite in all "
                f"{len(all_)} rows: there is nothing to show."
            )
    rows = scale_shares(finite)
    meta = sets[0].meta
    scales = [row.scale for row in rows if row.dataset == rows[0].dataset and row.scale != TOTAL]
    bits = meta.group_size * math.prod(meta.image_shape) * math.log(2)
    sizes = {scale: _named(scale, meta.image_shape) for scale in dict.fromkeys(scales)}
    panels = [
        named_panel(
            f"{sizes[scale]}, model: {meta.model}{_together(meta.group_size)}",
            _AXIS,
            sets,
            [-statistics.value(f"log_prob.scale{scale}") / bits for statistics in sets],
        )
        for scale in sizes
    ]
    left_out = {
        f"{all_.meta.dataset} {all_.meta.split}": len(all_) - len(kept)
        for all_, kept in zip(sets, finite, strict=True)
    }
    return Shares(meta.model, panels, rows, sizes, meta.group_size, left_out)


def _named(scale: str, image_shape: tuple[int, int, int]) -> str:
    """Name a scale by the size of its latents: each scale begins with a squeeze, which halves the sides."""
    _, height, width = image_shape
    part = 2 ** (int(scale) + 1)
    return f"Scale {scale} ({height // part}x{width // part})"


def _together(group_size: int) -> str:
    return "" if group_size == 1 else f", groups of {group_size}"


def make_figure(shares: Shares) -> Figure:
    """Draw a histogram of each scale, and how much each of them moves the mean of log p(x)."""
    panels = shares.panels
    colours = colours_of([panels[0].in_distribution[0]], list(panels[0].out_of_distribution))
    with style():
        figure, axes = new_figure(columns=2, rows=math.ceil((len(panels) + 1) / 2), panel_height=2.6)
        for axis, panel in zip(axes, panels, strict=False):
            draw_panel(axis, panel, colours)
        _draw_differences(axes[len(panels)], shares, colours)
        for axis in axes[len(panels) + 1 :]:
            axis.remove()
        panel_letters(figure.axes)
    return figure


def _draw_differences(axis: Axes, shares: Shares, colours: Mapping[str, str]) -> None:
    inside, *outside = (_rows_of(shares, place) for place in range(len(shares.nonfinite)))
    own, *others = shares.nonfinite
    scales = [*shares.sizes, TOTAL]
    width = 0.8 / len(others)
    for place, (name, rows) in enumerate(zip(others, outside, strict=True)):
        left = np.arange(len(scales)) + (place - (len(others) - 1) / 2) * width
        heights = [rows[scale].difference / shares.group_size for scale in scales]
        label = f"{short_name(name)}, n = {rows[TOTAL].n:,}{_left_out(shares, name)}"
        bars = axis.bar(left, heights, width, color=colours[name], label=label)
        parts = [_percent(rows[scale].of_difference) for scale in scales]
        axis.bar_label(bars, parts, fontsize=6, rotation=90 if len(others) > 1 else 0, padding=1)
    axis.axhline(0, color="black", linewidth=0.6)
    ticks = [name.replace("Scale ", "").replace(" (", "\n(") for name in shares.sizes.values()]
    axis.set_xticks(range(len(scales)), [*ticks, "all"])
    axis.margins(y=0.2 if len(others) == 1 else 0.45)  # room for the percentages
    title = f"Difference to {short_name(own)}, n = {inside[TOTAL].n:,}{_left_out(shares, own)}"
    axis.set_title(wrapped(title + _together(shares.group_size)))
    axis.set_ylabel("mean share, out minus in\n(nats per image; % of all)")
    axis.set_xlabel("scale; above 0 where it finds\nout-of-distribution images more likely")
    if len(others) == 1:
        panel_legend(axis, loc="best")
    else:
        legend_below(axis)


def _percent(part: float) -> str:
    return f"{100 * part:.0f} %".replace("-", "\N{MINUS SIGN}") if math.isfinite(part) else ""


def _rows_of(shares: Shares, place: int) -> dict[str, ScaleShare]:
    """Return {scale: row} of one set; rows of a set stand together, in the order of sets."""
    count = len(shares.sizes) + 1
    return {row.scale: row for row in shares.differences[place * count : (place + 1) * count]}


def _left_out(shares: Shares, name: str) -> str:
    count = shares.nonfinite[name]
    return f" ({count:,} left out: not finite)" if count else ""


def save(shares: Shares, path: Path) -> tuple[Path, ...]:
    """Save the figure as PDF and PNG, its histograms and its means as CSV; `path` has no suffix."""
    histograms = save_table(path, TABLE, table(shares.panels))
    rows = [
        (r.dataset, r.scale, r.mean, r.std, r.difference, r.of_difference, r.auroc, r.n)
        for r in shares.differences
    ]
    differences = save_table(path.with_name(f"{path.name}-means"), _DIFFERENCES, rows)
    return (*save_figure(make_figure(shares), path), histograms, differences)


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw from the statistics of a run."""
    parser = figure_parser(
        "plots.scale_shares",
        __doc__,
        "--run runs/cifar10 --in-distribution cifar10 --out-of-distribution svhn --limit 2000",
    )
    parser.add_argument("--run", required=True, metavar="DIR", help="run whose model to look at")
    add_sets(parser)
    add_figure(parser)
    request = request_of(parser.parse_args(arguments), "scale-shares")
    (sets,) = request.likelihoods(request.runs)
    for file in save(shares_of(sets), request.output):
        print(file)


if __name__ == "__main__":
    run_command(main)
