"""Differences in log p, taken apart into entropy and excess: a case where everything is known."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.patches import Rectangle

from plots.summary_statistic_histograms.entropy_differences import differences, main, make_figure
from plots.summary_statistic_histograms.features import FeaturePanel
from tests.plots.examples import keep, likelihood, make_run

# Bits of three sets under a model of each of two: rows spread by 1 around the mean.
BITS = {"a": {"cifar10": 4.0, "svhn": 3.0, "celeba": 5.0}, "b": {"svhn": 2.0, "cifar10": 6.0}}
SPREAD = np.array([-1.0, 1.0])


def panels() -> list[FeaturePanel]:
    meta = likelihood("cifar10").meta
    return [
        FeaturePanel(model, "", {n: bits + SPREAD for n, bits in sets.items()}, meta, "bits per dimension")
        for model, sets in BITS.items()
    ]


def test_entropy_and_excess_make_the_difference() -> None:
    svhn, celeba, cifar10 = differences(panels())
    assert (svhn.model, svhn.in_distribution, svhn.name) == ("a", "cifar10", "svhn")
    # svhn is likelier by 1 bit: its entropy is lower by 2, and the model of cifar10 wastes 1 on it.
    assert (svhn.log_prob, svhn.entropy, svhn.excess) == (1, 2, 1)
    assert (cifar10.log_prob, cifar10.entropy, cifar10.excess) == (-4, -2, 2)
    assert (celeba.log_prob, celeba.entropy, celeba.excess) == (-1, None, None)
    assert svhn.standard_error == pytest.approx(np.sqrt(2 * 2 / 2))


def test_the_figure_has_a_row_per_set_and_bars_where_entropies_are_known() -> None:
    figure = make_figure(panels())
    first, second = figure.axes
    assert first.get_title() == "model a, in: cifar10"
    assert [label.get_text() for label in first.get_yticklabels()] == ["svhn", "celeba"]
    widths = [bar.get_width() for bar in first.patches if isinstance(bar, Rectangle)]
    assert widths == [2, -1]
    assert len(second.patches) == 2
    assert first.get_xlim() == second.get_xlim() == (-first.get_xlim()[1], first.get_xlim()[1])
    assert figure.get_supxlabel() == "difference to the in-distribution set (bits per dimension)"
    title = figure.legends[0].get_title().get_text().replace("\n", " ")
    assert (
        title
        == "models a, b, 2 images of each set (test) right of 0: more likely than the in-distribution set"
    )


def test_values_that_are_not_finite_are_left_out_and_said() -> None:
    first, second = panels()
    harmed = replace(first, sets={**first.sets, "svhn": np.append(first.sets["svhn"], [np.nan, np.inf])})
    assert differences([harmed, second])[0].log_prob == 1
    assert "2 values that are not finite" in make_figure([harmed, second]).legends[0].get_title().get_text()
    empty = replace(first, sets={**first.sets, "svhn": np.array([np.nan, 1.0])})
    with pytest.raises(ValueError, match="'svhn' needs at least 2 finite log-likelihoods under 'a'"):
        differences([empty, second])


def test_surrogates_and_single_sets_are_refused() -> None:
    first, _ = panels()
    with pytest.raises(ValueError, match="No entropy can be read off a surrogate"):
        differences([replace(first, meta=replace(first.meta, bound="surrogate"))])
    with pytest.raises(ValueError, match="--datasets names only one"):
        differences([replace(first, sets={"cifar10": SPREAD})])


def test_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INVGLOW_RUNS", str(tmp_path))
    for model, sets in BITS.items():
        run = make_run(tmp_path / model)
        for name in ("cifar10", "svhn"):
            keep(likelihood(name, bits=sets[name], model=model), run)
    words = ["glow", "a", "b", "--id_datasets", "cifar10", "svhn", "--datasets", "cifar10", "svhn"]
    main([*words, "--anomaly_detection", "typicality", "--output", str(tmp_path / "entropy")])
    with (tmp_path / "entropy.csv").open() as text:
        rows = list(csv.DictReader(text))
    assert [round(float(row["entropy"])) for row in rows] == [2, -2]
    with pytest.raises(ValueError, match="Entropies are read off likelihoods, not gradients_L2_norms"):
        main([*words, "--anomaly_detection", "gradients_L2_norms"])
