"""Histograms of scores and of likelihoods under several models."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import pytest
from matplotlib.figure import Figure
from matplotlib.patches import StepPatch

from plots import likelihood_histogram_comparison
from plots.summary_statistic_histograms.anomaly_score import make_figure
from plots.summary_statistic_histograms.features import FeaturePanel
from plots.summary_statistic_histograms.figure import Look
from tests.plots.examples import keep, likelihood, make_run
from tests.plots.scored import scored


def test_each_method_has_a_panel_with_its_aurocs() -> None:
    figure = make_figure(
        [scored("a", name, "cifar10", {"svhn": 0.75, "celeba": 1.0}) for name in ("typicality", "waic")]
    )
    assert [axis.get_title() for axis in figure.axes] == [
        "typicality\nAUROC svhn 0.750, celeba 1.000",
        "waic\nAUROC svhn 0.750, celeba 1.000",
    ]
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [
        "cifar10 (in), n = 10",
        "svhn (out), n = 20",
        "celeba (out), n = 20",
    ]
    assert legend.get_title().get_text() == "model a: anomaly scores, groups of 5 images (test)"
    assert figure.get_supxlabel() == "anomaly score (higher is more anomalous)"


def test_no_title_breaks_a_name() -> None:
    model, other = f"glow{9 * '-glow'}", "general-photographs-of-things"
    figure = make_figure([scored(model, "typicality", "cifar10", {"svhn": 0.75, other: 1.0})])
    (legend,) = figure.legends
    assert model in legend.get_title().get_text()
    assert other in figure.axes[0].get_title()


def test_a_set_that_is_halved_under_one_model_says_both_sizes() -> None:
    one = scored("a", "typicality", "cifar10", {"svhn": 0.75})
    (legend,) = make_figure([one, scored("b", "typicality", "svhn", {"cifar10": 0.5})]).legends
    assert [text.get_text() for text in legend.get_texts()] == ["cifar10, n = 10 to 20", "svhn, n = 10 to 20"]


@pytest.mark.parametrize("group_size", [1, 5])
def test_likelihoods_under_several_models_share_an_axis(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, group_size: int
) -> None:
    monkeypatch.setenv("INVGLOW_RUNS", str(tmp_path))
    for name, bits in (("a", 4.0), ("b", 3.0)):
        run = make_run(tmp_path / name)
        for spec, more in (("cifar10", 0.0), ("svhn", -1.0)):
            # What groups have is a sum: B images of 4 bits are as 1 image of 8 - 4 B of them.
            one = 8 - group_size * (8 - bits - more)
            keep(likelihood(spec, bits=one, model=name, group_size=group_size), run)
    words = ["glow", "a", "b", "--id_datasets", "cifar10", "svhn", "--datasets", "svhn", "cifar10"]
    output = tmp_path / "likelihoods"
    drawn: list[Figure] = []
    original = likelihood_histogram_comparison.make_figure

    def draw(panels: Sequence[FeaturePanel], look: Look) -> Figure:
        drawn.append(original(panels, look))
        return drawn[-1]

    monkeypatch.setattr(likelihood_histogram_comparison, "make_figure", draw)
    likelihood_histogram_comparison.main([*words, "--batch_size", str(group_size), "--output", str(output)])
    first, second = drawn[0].axes
    assert first.get_xlim() == second.get_xlim()
    assert first.get_title() == "model a\ntrained on cifar10"
    assert drawn[0].get_supxlabel() == "bits per dimension"
    filled = [
        patch.get_facecolor() for axis in (first, second) for patch in axis.patches if patch.get_alpha()
    ]
    assert len(filled) == 2 == len(set(filled))
    assert all(isinstance(patch, StepPatch) for patch in first.patches)
    with output.with_name("likelihoods.csv").open() as text:
        means = {(row["model"], row["set"]): float(row["mean"]) for row in csv.DictReader(text)}
    assert means["a", "cifar10"] == pytest.approx(4, abs=0.1)
    assert means["b", "svhn"] == pytest.approx(2, abs=0.1)


def test_a_bound_and_an_exact_likelihood_have_no_common_axis(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INVGLOW_RUNS", str(tmp_path))
    for name, bound in (("a", "exact"), ("b", "elbo")):
        keep(likelihood("svhn", bound=bound), make_run(tmp_path / name))
    words = ["glow", "a", "b", "--id_datasets", "svhn", "svhn", "--datasets", "svhn"]
    with pytest.raises(ValueError, match="One axis cannot show bits per dimension and"):
        likelihood_histogram_comparison.main([*words, "--output", str(tmp_path / "x")])
