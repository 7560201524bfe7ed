"""Histograms of likelihoods: right numbers in right units, labelled, with what the axis hides counted."""

from __future__ import annotations

import csv
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.patches import StepPatch

from anomaly_methods.metrics import auroc
from anomaly_methods.statistics import Statistics, StatisticsMeta
from plots.likelihood_histograms import Panel, likelihood_panels, main, make_figure, save, table

ROOT = Path(__file__).parents[2]
IN, OUT = "demo-fashion-mnist", "demo-mnist"


def test_raw_likelihood_is_in_bits_per_dimension() -> None:
    (panel,) = likelihood_panels([_statistics(IN, bits=[3.0, 4.5]), _statistics(OUT, bits=[2.0])])
    assert panel.in_distribution[0] == f"{IN} test"
    np.testing.assert_allclose(panel.in_distribution[1], [3.0, 4.5])
    np.testing.assert_allclose(panel.out_of_distribution[f"{OUT} test"], [2.0])


def test_ratio_is_the_specific_minus_the_general_bits() -> None:
    specific = [_statistics(IN, bits=[3.0, 4.5]), _statistics(OUT, bits=[2.0])]
    general = [
        _statistics(IN, "runs/general", bits=[3.5, 4.0]),
        _statistics(OUT, "runs/general", bits=[1.0]),
    ]
    _, panel = likelihood_panels(specific, general)
    np.testing.assert_allclose(panel.in_distribution[1], [-0.5, 0.5])
    np.testing.assert_allclose(panel.out_of_distribution[f"{OUT} test"], [1.0])
    assert panel.axis == "bits per dimension, specific minus general"


def test_figure_says_what_it_shows() -> None:
    figure = make_figure(_panels())
    for axes, panel in zip(figure.axes, _panels(), strict=True):
        expected = auroc(panel.in_distribution[1], panel.out_of_distribution[f"{OUT} test"])
        assert axes.get_title().endswith(f"AUROC {expected:.3f}")
        assert "bits per dimension" in axes.get_xlabel()
        assert "more anomalous" in axes.get_xlabel()
        assert axes.get_ylabel() == "images per bin (% of set)"
    assert "specific" in figure.axes[0].get_title()
    assert "specific, general" in figure.axes[1].get_title()
    assert _legend(figure.axes[0])[0].startswith(f"{IN} test (in), n = 2,000")
    assert _legend(figure.axes[0])[1].startswith(f"{OUT} test (out), n = 1,000")


def test_bars_are_shares_of_each_set() -> None:
    (axes, _) = make_figure(_panels(), bins=20).axes
    outlines = [patch for patch in axes.patches if isinstance(patch, StepPatch) and patch.get_alpha() is None]
    assert len(outlines) == 2
    for outline in outlines:
        values, edges, _ = outline.get_data()
        assert len(values) == 20
        assert 98 < sum(values) <= 100
        assert (edges[0], edges[-1]) == axes.get_xlim()


def test_several_sets_get_a_line_and_an_auroc_each() -> None:
    names = [IN, OUT, "array:/data/omniglot", "kmnist"]
    (panel,) = likelihood_panels([_statistics(name, bits=[2.0, 3.0]) for name in names])
    (axes,) = make_figure([panel]).axes
    outlines = [patch for patch in axes.patches if patch.get_alpha() is None]
    assert len({patch.get_edgecolor() for patch in outlines}) == 4
    assert len({str(patch.get_linestyle()) for patch in outlines}) == 4, "readable without colour too"
    assert "omniglot test 0.500" in axes.get_title().replace("\N{NO-BREAK SPACE}", " ")
    assert _legend(axes)[2].startswith("omniglot test (out)")


def test_what_the_axis_hides_is_counted() -> None:
    scores = np.concatenate([np.linspace(0, 1, 1000), [1e6, -1e6, np.nan, np.inf, 1e5]])
    panel = Panel("t", "a", ("in", scores), {"out": np.linspace(0, 1, 100)})
    legend = _legend(make_figure([panel]).axes[0])
    assert legend == ["in (in), n = 1,005, 5 not shown", "out (out), n = 100"]


def test_table_adds_up_to_all_images() -> None:
    scores = np.array([0.0, 0.5, 1.0, np.nan, np.inf])
    panel = Panel("t", "a", ("in", scores), {"out": np.array([0.5, 1e9])})
    rows = list(table([panel], bins=4))
    assert sum(row[-1] for row in rows if row[1] == "in" and isinstance(row[-1], int)) == 5
    assert rows[6] == ("t", "in", "in-distribution", "", "", 2)
    assert {row[2] for row in rows if row[1] == "out"} == {"out-of-distribution"}


def test_one_single_value_can_be_drawn() -> None:
    panel = Panel("t", "a", ("in", np.array([2.0])), {"out": np.array([2.0])})
    (axes,) = make_figure([panel]).axes
    assert axes.get_xlim() == (1.5, 2.5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dataset_sha256": "another"}, "cannot be paired: their dataset_sha256"),
        ({"split": "train"}, "cannot be paired: their split"),
        ({"noise_draws": 3}, "cannot be paired: their noise_draws"),
    ],
)
def test_statistics_of_other_images_are_refused(change: dict[str, object], message: str) -> None:
    one, two = _statistics(IN, bits=[3.0]), _statistics(OUT, bits=[2.0])
    other = Statistics(one.values, one.index, replace(one.meta, **change))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=message):
        likelihood_panels([one, two], [other, two])


def test_other_rows_of_the_same_set_are_refused() -> None:
    one, two = _statistics(IN, bits=[3.0, 4.0]), _statistics(OUT, bits=[2.0])
    with pytest.raises(ValueError, match="different images"):
        likelihood_panels([one, two], [one.select([0]), two])


def test_missing_general_statistics_are_refused() -> None:
    one, two = _statistics(IN, bits=[3.0]), _statistics(OUT, bits=[2.0])
    with pytest.raises(ValueError, match="got 2 by the specific one and 1"):
        likelihood_panels([one, two], [one])


def test_sets_of_two_models_and_one_model_twice_are_refused() -> None:
    one, two = _statistics(IN, bits=[3.0]), _statistics(OUT, bits=[2.0])
    with pytest.raises(ValueError, match="checkpoint_sha256 is"):
        likelihood_panels([one, _statistics(OUT, "runs/other", bits=[2.0])])
    with pytest.raises(ValueError, match=r"needs two models, but .* have the same weights"):
        likelihood_panels([one, two], [one, two])


def test_groups_of_images_are_refused() -> None:
    one, two = _statistics(IN, bits=[3.0]), _statistics(OUT, bits=[2.0])
    grouped = Statistics(two.values, two.index, replace(two.meta, group_size=5))
    with pytest.raises(ValueError, match="groups of 5 images"):
        likelihood_panels([one, grouped])


def test_groups_are_refused_before_a_command_that_would_make_them_is_named() -> None:
    with pytest.raises(ValueError, match="leave --group-size at 1, got 5"):
        main(["--run", "nowhere", "--in-distribution", IN, "--out-of-distribution", OUT, "--group-size", "5"])


def test_a_set_is_shown_once_and_against_another() -> None:
    one = _statistics(IN, bits=[3.0])
    with pytest.raises(ValueError, match="shown once"):
        likelihood_panels([one, one])
    with pytest.raises(ValueError, match="at least one out-of-distribution set"):
        make_figure(likelihood_panels([one]))


def test_a_set_without_finite_scores_is_refused() -> None:
    panel = Panel("t", "a", ("in", np.array([1.0])), {"out": np.array([np.nan])})
    with pytest.raises(ValueError, match="at least one finite score of 'out'"):
        make_figure([panel])


def test_command_draws_saved_statistics(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    specific, general = _both_models()
    for model, statistics in (("s", specific), ("g", general)):
        for number, item in enumerate(statistics):
            item.save(tmp_path / f"{model}{number}.npz")
    files = [str(tmp_path / f"{name}.npz") for name in ("s0", "s1", "g0", "g1")]
    main(["--specific", *files[:2], "--general", *files[2:], "--output", str(tmp_path / "figure")])
    assert capsys.readouterr().out.split() == [
        str(tmp_path / f"figure.{kind}") for kind in ("pdf", "png", "csv")
    ]
    with (tmp_path / "figure.csv").open(newline="") as file:
        images = [int(row["images"]) for row in csv.DictReader(file)]
    assert sum(images) == 2 * (2000 + 1000)


def test_command_says_in_one_line_what_is_missing(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "plots.likelihood_histograms", "--output", str(tmp_path / "figure")]
    run = subprocess.run(
        [*command, "--specific", str(tmp_path / "none.npz"), str(tmp_path / "none.npz")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 2
    assert "none.npz" in run.stderr
    assert run.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_saving_writes_the_figure_and_its_numbers(tmp_path: Path) -> None:
    files = save(_panels(), tmp_path / "figure")
    assert [file.suffix for file in files] == [".pdf", ".png", ".csv"]
    assert all(file.stat().st_size > 1000 for file in files)


def _legend(axes: object) -> list[str]:
    legend = axes.get_legend()  # type: ignore[attr-defined]
    return [text.get_text() for text in legend.get_texts()]


def _panels() -> list[Panel]:
    return likelihood_panels(*_both_models())


def _both_models() -> tuple[list[Statistics], list[Statistics]]:
    random = np.random.default_rng(0)
    specific = [
        _statistics(IN, bits=random.normal(3, 0.5, 2000)),
        _statistics(OUT, bits=random.normal(2, 0.3, 1000)),
    ]
    general = [
        _statistics(IN, "runs/general", bits=random.normal(3.5, 0.5, 2000)),
        _statistics(OUT, "runs/general", bits=random.normal(2, 0.3, 1000)),
    ]
    return specific, general


def _statistics(dataset: str, model: str = "runs/specific", *, bits: list[float] | np.ndarray) -> Statistics:
    log_prob = (8 - np.asarray(bits)) * 28 * 28 * math.log(2)
    meta = StatisticsMeta(
        kind="likelihood",
        model=model,
        checkpoint_sha256=f"sha of {model}",
        bound="exact",
        dataset=dataset,
        dataset_sha256=f"sha of {dataset}",
        split="test",
        image_shape=(1, 28, 28),
        preprocessing="bin centres",
    )
    return Statistics({"log_prob": log_prob}, np.arange(len(log_prob)), meta)
