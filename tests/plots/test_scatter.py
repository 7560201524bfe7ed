"""Two statistics against each other: the points are those of the same rows, and what is hidden is said."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.patches import Ellipse

from plots.style import COLOURS
from plots.summary_statistic_histograms import scatter_main, with_scatter
from plots.summary_statistic_histograms.features import FeaturePanel
from plots.summary_statistic_histograms.scatter import PanelPair, table
from tests.plots.examples import LAYERS, gradients, keep, make_run


def pair(rows: int = 40) -> PanelPair:
    found = {name: gradients(name, rows, shift=shift) for name, shift in (("cifar10", 0.0), ("svhn", 1.0))}
    one, other = (
        FeaturePanel("a", layer, {n: np.log(s.value(layer)) for n, s in found.items()}, found["svhn"].meta)
        for layer in LAYERS[:2]
    )
    return one, other


def test_the_scatter_shows_the_rows_of_both_statistics() -> None:
    one, other = pair()
    one = replace(one, sets={**one.sets, "svhn": np.append(one.sets["svhn"][1:], 1e6)})
    figure = scatter_main.make_figure([(one, other)], fitted=True)
    (axis,) = figure.axes
    drawn = np.concatenate([points.get_offsets() for points in axis.collections])
    known = {(float(x), float(y)) for n in one.sets for x, y in zip(one.sets[n], other.sets[n], strict=True)}
    assert {tuple(point) for point in drawn.tolist()} < known
    assert len(drawn) == len(known) - 1 == 79
    assert axis.get_title() == "model a\nall points, 1 outside"
    assert (axis.get_xlabel(), axis.get_ylabel()) == LAYERS[:2]
    ellipses = [patch for patch in axis.patches if isinstance(patch, Ellipse)]
    deviation = one.sets["cifar10"].std()
    assert [ellipse.width for ellipse in ellipses] == pytest.approx([2 * deviation, 4 * deviation])
    (legend,) = figure.legends
    labels = [text.get_text() for text in legend.get_texts()]
    assert labels == ["cifar10 (in), n = 40", "svhn (out), n = 40", "fitted normal: 1, 2 deviations"]
    assert legend.get_lines()[0].get_color() == COLOURS["blue"]


def test_of_many_points_some_are_drawn_by_the_seed() -> None:
    many = pair(600)
    assert (
        scatter_main.make_figure([many]).axes[0].get_title().startswith("model a\n500 of each set at random")
    )
    first, again, other = ([row[3] for row in table([many], seed)] for seed in (0, 0, 1))
    assert first == again != other
    assert len(first) == 1000


def test_points_that_are_not_finite_are_counted() -> None:
    one, other = pair()
    values = one.sets["svhn"].copy()
    values[:4] = -np.inf
    harmed = replace(one, sets={**one.sets, "svhn": values})
    assert "4 not finite" in scatter_main.make_figure([(harmed, other)]).axes[0].get_title()


def test_with_scatter_has_a_row_for_each_model() -> None:
    one, other = pair()
    second = (replace(one, model="b"), replace(other, model="b"))
    figure = with_scatter.make_figure([(one, other), second], fitted=True)
    assert len(figure.axes) == 6
    assert [figure.axes[place].get_ylabel() for place in (0, 3)] == [
        "model a\nimages per bin (%)",
        "model b\nimages per bin (%)",
    ]
    assert [len(axis.lines) for axis in figure.axes[:3]] == [1, 1, 0]
    assert len(figure.axes[2].collections) == 2
    assert figure.get_supxlabel() == "log squared gradient norm (log nats²)"


@pytest.mark.parametrize("module", [scatter_main, with_scatter])
def test_commands(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    module: Any,
) -> None:
    monkeypatch.setenv("INVGLOW_RUNS", str(tmp_path))
    run = make_run(tmp_path / "run")
    for name in ("cifar10", "svhn"):
        keep(gradients(name, group_size=5), run)
    words = ["glow", "run", "--id_datasets", "cifar10", "--datasets", "svhn", "--batch_size", "5"]
    words += ["--anomaly_detection", "gradients_L2_norms_gaussian", "--output", str(tmp_path / "scatter")]
    module.main([*words, "--statistics", LAYERS[4], LAYERS[1], "--fitted_distribution"])
    with (tmp_path / "scatter.csv").open() as text:
        rows = list(csv.DictReader(text))
    assert len(rows) == 80
    assert (rows[0]["statistic_x"], rows[0]["statistic_y"]) == (LAYERS[4], LAYERS[1])
    with pytest.raises(ValueError, match="2 statistics against each other, got 3"):
        module.main([*words, "--n_statistics", "3"])
