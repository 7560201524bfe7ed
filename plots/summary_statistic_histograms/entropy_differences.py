"""Why likelihood fails: how much of the difference in mean log p between sets is a difference in entropy.

For a model p trained on A, the mean log-likelihood of a set B is `-H(B) - KL(B || p)`. Its difference to that
of A is therefore the difference in entropy, `H(A) - H(B)`, less what p codes B worse than A. The entropy of a
set is estimated, from above, by the bits that a model of its own takes; what p takes more than that is the
excess of KL. Where the entropy difference is larger, B has the higher likelihood though p never saw it.

References:
    Entropic Issues in Likelihood-Based OOD Detection (Caterini & Loaiza-Ganem, 2021), arXiv 2109.10794.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from anomaly_methods.kinds import statistics_for
from plots.command import run_command
from plots.legends import titled_legend
from plots.likelihood_histogram_comparison import comparison_panels
from plots.output import save_with_numbers
from plots.paper_command import paper_parser, request_of
from plots.style import colours_of, new_figure, short_name, style
from plots.summary_statistic_histograms.features import FeaturePanel, models_text, rows_text
from plots.wrapping import wrapped

__all__ = ["Difference", "differences", "main", "make_figure"]

EXAMPLE = "glow cifar10 svhn --id_datasets cifar10 svhn --datasets cifar10 svhn"
HEADER = ("model", "in_distribution", "set", "log_prob", "standard_error", "entropy", "excess", "left_out")


@dataclass(frozen=True)
class Difference:
    """A set compared with the in-distribution set under one model, in bits per dimension.

    Attributes:
        model: what to call the model.
        in_distribution: name of its set.
        name: of the other set.
        log_prob: mean log p of the other set minus that of the in-distribution set.
        standard_error: of that, over images.
        entropy: estimate of H(in-distribution) - H(other); None without a model of the other set.
        excess: estimate of KL(other || p) less that of the other set's own model; None likewise.
        left_out: values that are NaN or infinite.
    """

    model: str
    in_distribution: str
    name: str
    log_prob: float
    standard_error: float
    entropy: float | None
    excess: float | None
    left_out: int


def differences(panels: Sequence[FeaturePanel]) -> list[Difference]:
    """Return the difference of every other set under every model; the panels hold -log p, per image.

    Raises:
        ValueError: a set has fewer than two finite values, or there is no other set.
    """
    entropies: dict[str, float] = {}
    for panel in panels:
        own = float(_finite(panel, panel.in_distribution).mean())
        entropies[panel.in_distribution] = min(own, entropies.get(panel.in_distribution, np.inf))
    found = [_difference(panel, name, entropies) for panel in panels for name in list(panel.sets)[1:]]
    if not found:
        raise ValueError("Entropies are compared between sets, but --datasets names only one.")
    if any(panel.meta.bound == "surrogate" for panel in panels):
        raise ValueError("No entropy can be read off a surrogate: evaluate a bound or an exact likelihood.")
    return found


def make_figure(panels: Sequence[FeaturePanel]) -> Figure:
    """Draw a panel for each model, with a row for each set: entropy, excess, and both together."""
    found = differences(panels)
    shown = [panel for panel in panels if len(panel.sets) > 1]
    colours, most = colours_of([d.name for d in found]), max(len(p.sets) for p in shown)
    with style():
        figure, axes = new_figure(len(shown), panel_width=3.0, panel_height=1.4 + 0.5 * most)
        for axis, panel in zip(axes, shown, strict=True):
            own = [d for d in found if (d.model, d.in_distribution) == (panel.model, panel.in_distribution)]
            _draw(axis, own, colours)
            title = f"model {panel.model}, in: {short_name(panel.in_distribution)}"
            axis.set_title(wrapped(title, 1.8, 7), fontsize=7)
        limit = max(abs(value) for axis in axes for value in axis.get_xlim())
        for axis in axes:
            axis.set_xlim(-limit, limit)
        quantity = f"difference to the in-distribution set ({panels[0].axis})"
        figure.supxlabel(wrapped(quantity, figure.get_figwidth() - 0.3), fontsize=8)
        _legend(figure, panels, sum(d.left_out for d in found))
    return figure


def _difference(panel: FeaturePanel, name: str, entropies: dict[str, float]) -> Difference:
    inside, outside = _finite(panel, panel.in_distribution), _finite(panel, name)
    log_prob = float(inside.mean() - outside.mean())
    error = float(np.sqrt(inside.var(ddof=1) / len(inside) + outside.var(ddof=1) / len(outside)))
    entropy = float(inside.mean()) - entropies[name] if name in entropies else None
    return Difference(
        model=panel.model,
        in_distribution=panel.in_distribution,
        name=name,
        log_prob=log_prob,
        standard_error=error,
        entropy=entropy,
        excess=None if entropy is None else entropy - log_prob,
        left_out=sum(len(panel.sets[n]) - len(_finite(panel, n)) for n in (panel.in_distribution, name)),
    )


def _finite(panel: FeaturePanel, name: str) -> NDArray[np.float64]:
    values = panel.sets[name][np.isfinite(panel.sets[name])]
    if len(values) < 2:
        raise ValueError(
            f"{name!r} needs at least 2 finite log-likelihoods under {panel.model!r} for a mean."
        )
    return values


def _draw(axis: Axes, found: Sequence[Difference], colours: dict[str, str]) -> None:
    for place, difference in enumerate(found):
        colour = colours[difference.name]
        if difference.entropy is not None and difference.excess is not None:
            axis.barh(place - 0.18, difference.entropy, height=0.3, color=colour)
            axis.barh(
                *(place + 0.18, -difference.excess),
                height=0.3,
                color="white",
                edgecolor=colour,
                hatch="/////",
            )
        axis.errorbar(
            *(difference.log_prob, place), xerr=1.96 * difference.standard_error, color="black", fmt="D", ms=4
        )
    axis.axvline(0, color="#333333", linewidth=0.8)
    names = [wrapped(short_name(difference.name), 1.1, 7) for difference in found]
    axis.set_yticks(range(len(found)), names)
    axis.set_ylim(len(found) - 0.5, -0.5)
    axis.grid(visible=False, axis="y")


def _legend(figure: Figure, panels: Sequence[FeaturePanel], left_out: int) -> None:
    meta = panels[0].meta
    note = f"\n{left_out:,} values that are not finite are left out" if left_out else ""
    sizes = sorted({len(values) for panel in panels for values in panel.sets.values()})
    count = f"{sizes[0]:,}" if len(sizes) == 1 else f"{sizes[0]:,} to {sizes[-1]:,}"
    about = f"{models_text(p.model for p in panels)}, {count} {rows_text(meta)} of each set ({meta.split})"
    handles = [
        Patch(color="#888888", label="entropy: H(in) \N{MINUS SIGN} H(set)"),
        Patch(
            facecolor="white",
            edgecolor="#888888",
            hatch="/////",
            label="\N{MINUS SIGN} excess of KL(set || model)",
        ),
        Line2D(
            [],
            [],
            color="black",
            marker="D",
            ms=4,
            linestyle="",
            label="together: mean log p(set) \N{MINUS SIGN} mean log p(in)",
        ),
    ]
    title = f"{about}\nright of 0: more likely than the in-distribution set{note}"
    titled_legend(figure, handles, title)


def table(found: Sequence[Difference]) -> Iterator[tuple[object, ...]]:
    """Yield the numbers of the figure; empty where there is no model of the other set."""
    for difference in found:
        model, inside, name, *numbers = astuple(difference)
        yield model, short_name(inside), short_name(name), *("" if n is None else n for n in numbers)


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw the differences of all sets under all models."""
    parser = paper_parser(
        "plots.summary_statistic_histograms.entropy_differences", __doc__, EXAMPLE, methods=None
    )
    parser.add_argument(
        "--anomaly_detection",
        nargs="+",
        default=["likelihoods"],
        metavar="METHOD",
        help="only those on likelihoods have a meaning here (default: likelihoods)",
    )
    request = request_of(parser.parse_args(arguments), "entropy_differences")
    if statistics_for(request.methods) != ["likelihood"]:
        raise ValueError(f"Entropies are read off likelihoods, not {', '.join(request.methods)}.")
    request.require(["likelihood"])
    panels = comparison_panels(request)
    save_with_numbers(make_figure(panels), request.output, HEADER, table(differences(panels)))


if __name__ == "__main__":
    run_command(main)
