"""Histograms of several sets: shares of each set on common bins, and everything that is not shown counted."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.patches import StepPatch

from plots.histogram import common_edges, counted, draw_normal, draw_sets, normal_of
from plots.style import colours_of, new_figure


def test_every_value_is_counted_once() -> None:
    values = np.array([-5.0, 0.0, 0.5, 1.0, 2.0, 9.0, np.nan, np.inf])
    found = counted(values, np.array([0.0, 1.0, 2.0]))
    assert found.inside.tolist() == [2, 2]
    assert (found.below, found.above, found.nonfinite, found.total) == (1, 1, 2, 8)
    np.testing.assert_allclose(found.percent, [25, 25])


def test_edges_hold_all_sets_but_their_outliers() -> None:
    wide = np.concatenate([np.linspace(0, 1, 999), [1e6]])
    edges = common_edges({"a": wide, "b": np.array([3.0, 4.0])}, 10)
    assert len(edges) == 11
    assert edges[0] < 0.002
    assert 4 < edges[-1] < 5
    same = common_edges({"a": np.array([2.0, 2.0])}, 4)
    assert same.tolist() == [1.5, 1.75, 2.0, 2.25, 2.5]


@pytest.mark.parametrize("value", [1e17, -1e30])
def test_equal_values_of_any_size_get_bins_of_some_width(value: float) -> None:
    edges = common_edges({"a": np.full(3, value)}, 60)
    assert (np.diff(edges) > 0).all()
    assert counted(np.full(3, value), edges).inside.sum() == 3


def test_sets_without_finite_values_need_no_room_and_some_must_have_them() -> None:
    bad = np.array([np.nan, np.inf])
    assert common_edges({"a": np.ones(3), "b": bad}, 1).tolist() == [0.5, 1.5]
    with pytest.raises(ValueError, match="No value of 'a', 'b' is finite"):
        common_edges({"a": bad, "b": bad}, 4)
    with pytest.raises(ValueError, match="at least one bin, got 0"):
        common_edges({"a": np.ones(3)}, 0)


def test_the_fitted_normal_is_that_of_the_finite_values_and_none_where_all_are_equal() -> None:
    normal = normal_of(np.array([1.0, 3.0, np.inf]))
    assert normal is not None
    assert (normal.mean, normal.deviation) == (2, 1)
    assert normal_of(np.full(3, 7.0)) is None
    assert normal_of(np.array([np.nan])) is None


def test_drawn_bars_are_percent_and_the_normal_has_the_same_area() -> None:
    values = np.random.default_rng(0).normal(size=4000)
    sets = {"cifar10": values, "svhn": np.append(values + 1, [np.nan, 99])}
    (axis,) = new_figure()[1]
    edges = common_edges(sets, 50)
    found = draw_sets(axis, sets, edges, colours_of(list(sets)))
    outlines = [patch for patch in axis.patches if isinstance(patch, StepPatch) and patch.get_alpha() is None]
    assert [len(patch.get_data()[0]) for patch in outlines] == [50, 50]
    assert 98 < sum(outlines[0].get_data()[0]) <= 100
    outside = sum(counts.below + counts.above for counts in found.values())
    assert axis.texts[0].get_text() == f"{outside} outside, 1 not finite"
    normal = normal_of(values)
    assert normal is not None
    draw_normal(axis, normal, edges)
    x, y = (np.asarray(values) for values in axis.lines[0].get_data())
    assert np.trapezoid(y, x) / (edges[1] - edges[0]) == pytest.approx(100, abs=0.5)
