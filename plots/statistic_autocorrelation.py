"""How much the gradients of two layers tell the same: the correlation of their log-norms, by distance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from anomaly_methods.statistics import Statistics
from plots.command import run_command
from plots.legends import panel_legend
from plots.output import save_with_numbers
from plots.paper_command import paper_parser, request_of
from plots.style import colours_of, new_figure, panel_letters, short_name, style
from plots.wrapping import wrapped

__all__ = ["TABLE", "Autocorrelation", "autocorrelation", "make_figure", "table"]

Numbers = NDArray[np.float64]

TABLE = ("model", "set", "distance", "pairs", "lower_quartile", "median", "upper_quartile")
_FEWEST = 3


@dataclass(frozen=True, eq=False)
class Autocorrelation:
    """Correlations over images of log f_i and log f_j of all pairs of L layers of a model.

    Attributes:
        model: its name.
        dataset: the images.
        matrix: (L, L), layers in the order of the model, each a parameter tensor.
        groups: how many groups of images the correlations are over.
        group_size: images in each.
        silent: layers left out, since f is zero or the same for all images.
        nonfinite: groups left out, since a value is NaN or infinite.
    """

    model: str
    dataset: str
    matrix: Numbers
    groups: int
    group_size: int
    silent: int = 0
    nonfinite: int = 0

    def quartiles(self) -> Numbers:
        """Return the lower quartile, median and upper quartile for |i - j| = 1 ... L - 1, (3, L - 1)."""
        found = [np.quantile(np.diagonal(self.matrix, d), (0.25, 0.5, 0.75)) for d in range(1, self.layers)]
        return np.stack(found, axis=1)

    @property
    def layers(self) -> int:
        """L, how many layers there are."""
        return len(self.matrix)

    @property
    def left_out(self) -> str:
        """Say what was left out, for a legend; empty if nothing was."""
        parts = [
            f"{self.silent} layers without variation" if self.silent else "",
            f"{self.nonfinite} rows not finite" if self.nonfinite else "",
        ]
        return ", ".join(filter(None, parts))


def autocorrelation(statistics: Statistics, model: str = "") -> Autocorrelation:
    """Correlate the log of squared gradient norms of all layers over images.

    Args:
        statistics: positive values of each layer, as of the kind `gradients`.
        model: what to call the model; without, as the statistics do.

    Raises:
        ValueError: fewer than three rows are finite, or fewer than three layers vary.

    References:
        Dauncey et al. (2024), section 3: layer-wise gradient norms are weakly correlated.
    """
    rows = statistics.finite_rows()
    values = np.stack([array[rows] for array in statistics.values.values()], axis=1)
    varying = (values > 0).all(axis=0) & (values != values[:1]).any(axis=0)
    if len(values) < _FEWEST or np.count_nonzero(varying) < _FEWEST:
        raise ValueError(
            f"Correlations between layers need at least {_FEWEST} rows and {_FEWEST} layers whose values "
            f"are positive and differ; of {statistics.meta.dataset!r} there are {len(values)} and "
            f"{np.count_nonzero(varying)}."
        )
    return Autocorrelation(
        model or statistics.meta.model,
        f"{statistics.meta.dataset} {statistics.meta.split}",
        np.corrcoef(np.log(values[:, varying]), rowvar=False),
        len(values),
        statistics.meta.group_size,
        int(np.count_nonzero(~varying)),
        int(np.count_nonzero(~rows)),
    )


def make_figure(models: Sequence[Sequence[Autocorrelation]]) -> Figure:
    """Draw one panel for each model: a line (median) and a band (quartiles) for each image set.

    Args:
        models: of each model its image sets, the in-distribution one first.
    """
    sets = [found.dataset for model in models for found in model]
    colours = colours_of([model[0].dataset for model in models], sets)
    with style():
        figure, axes = new_figure(columns=len(models), panel_width=3.6, panel_height=2.9)
        for axis, model in zip(axes, models, strict=True):
            _draw(axis, model, colours)
        if len(models) > 1:
            panel_letters(axes)
    return figure


def table(models: Sequence[Sequence[Autocorrelation]]) -> Iterator[tuple[object, ...]]:
    """Yield the numbers of the figure, one row for each distance."""
    for found in (found for model in models for found in model):
        for distance, quartiles in enumerate(found.quartiles().T, start=1):
            numbers = (float(value) for value in quartiles)
            yield found.model, found.dataset, distance, found.layers - distance, *numbers


def _draw(axis: Axes, model: Sequence[Autocorrelation], colours: Mapping[str, str]) -> None:
    for number, found in enumerate(model):
        distances = np.arange(1, found.layers)
        low, middle, high = found.quartiles()
        colour = colours[found.dataset]
        axis.fill_between(distances, low, high, color=colour, alpha=0.25, linewidth=0)
        label = _label(found, is_out=number > 0)
        axis.plot(distances, middle, color=colour, linewidth=0.9, label=label)
    first = model[0]
    axis.axhline(0, color="black", linewidth=0.6)
    lowest = min(float(found.quartiles()[0].min()) for found in model)
    axis.set(xlim=(0, first.layers))
    axis.set_yticks(np.arange(-1, 1.01, 0.25))
    axis.set_xlabel("distance of layers |i \N{MINUS SIGN} j| (parameter tensors)")
    axis.set_ylabel("correlation of log f$_i$ and log f$_j$\n(median, quartiles)", parse_math=True)
    size = f"group size {first.group_size}"
    axis.set_title(wrapped(f"Gradient norms, model: {first.model}\n{first.layers} layers, {size}"))
    axis.set_ybound(min(-0.4, lowest - 0.05), 1.15 + 0.15 * panel_legend(axis, width=2.5))


def _label(found: Autocorrelation, *, is_out: bool) -> str:
    role = "out" if is_out else "in"
    rest = f" ({found.left_out} left out)" if found.left_out else ""
    return f"{short_name(found.dataset)} ({role}), n = {found.groups:,}{rest}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw from the gradient statistics of runs."""
    example = "glow cifar10 --id_datasets cifar10 --datasets svhn --batch_size 1"
    parser = paper_parser("plots.statistic_autocorrelation", __doc__, example, methods=None)
    request = request_of(parser.parse_args(arguments), "statistic_autocorrelation")
    request.require(["gradients"])
    models = [
        [autocorrelation(found, model.name) for found in request.statistics(model, "gradients").values()]
        for model in request.models
    ]
    save_with_numbers(make_figure(models), request.output, TABLE, table(models))


if __name__ == "__main__":
    run_command(main)
