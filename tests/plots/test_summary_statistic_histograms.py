"""`python -m plots.summary_statistic_histograms`: the second paper's command, as it is written there."""

from __future__ import annotations

import csv
import shlex
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import StepPatch

from plots.style import COLOURS
from plots.summary_statistic_histograms.features import FeaturePanel, chosen_names, kind_of
from plots.summary_statistic_histograms.figure import Look, main, make_figure, pages_of, table
from tests.plots.examples import LAYERS, gradients, keep, likelihood, make_run
from tests.programs import run_module

SETS = ("celeba", "cifar10", "svhn", "imagenet32", "gtsrb")
COMMAND = """glow MODEL --id_datasets celeba --datasets cifar10 celeba svhn imagenet32 gtsrb \
    --anomaly_detection gradients_L2_norms_gaussian --batch_size 5 --fitted_distribution --n_statistics 1"""


@pytest.fixture(autouse=True)
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a run with statistics of five sets."""
    monkeypatch.setenv("INVGLOW_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("INVGLOW_FIGURES", str(tmp_path / "figures"))
    folder = make_run(tmp_path / "runs" / "MODEL")
    for place, name in enumerate(SETS):
        keep(gradients(name, shift=place, group_size=5), folder)
        keep(likelihood(name, bits=4 - 0.2 * place), folder)
    return folder


def panels(*names: str, rows: int = 40) -> list[FeaturePanel]:
    statistics = {name: gradients(name, rows, shift=float(place)) for place, name in enumerate(SETS[:3])}
    meta = statistics["celeba"].meta
    return [
        FeaturePanel("mine", layer, {name: np.log(s.value(layer)) for name, s in statistics.items()}, meta)
        for layer in names
    ]


def shown(figure: Figure) -> list[int]:
    """Return how many sets each panel shows."""
    return [
        sum(isinstance(patch, StepPatch) and patch.get_alpha() is None for patch in axis.patches)
        for axis in figure.axes
    ]


def test_the_papers_command_runs_as_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["x", *shlex.split(COMMAND)])
    run_module("plots.summary_statistic_histograms")
    files = [Path(line) for line in capsys.readouterr().out.splitlines()]
    assert [file.suffix for file in files] == [".pdf", ".png", ".csv"]
    assert all(file.parent == tmp_path / "figures" and file.stat().st_size for file in files)
    with files[2].open() as text:
        rows = list(csv.DictReader(text))
    assert {row["set"] for row in rows} == set(SETS)
    assert len({row["statistic"] for row in rows}) == 1
    for name in SETS:
        assert sum(int(row["rows"]) for row in rows if row["set"] == name) == 40
    assert {row["role"] for row in rows if row["set"] == "celeba"} == {"in-distribution"}


def test_the_figure_says_what_it_shows() -> None:
    figure = make_figure(panels(*LAYERS[:2]), Look(fitted=True))
    assert shown(figure) == [3, 3]
    assert [axis.get_title().replace("\n", "") for axis in figure.axes] == list(LAYERS[:2])
    (legend,) = figure.legends
    assert legend.get_title().get_text() == "model mine: 2 parameter tensors, images (test)"
    assert [text.get_text() for text in legend.get_texts()] == [
        "celeba (in), n = 40",
        "cifar10 (out), n = 40",
        "svhn (out), n = 40",
        "normal fitted to (in)",
    ]
    assert legend.get_lines()[0].get_color() == COLOURS["purple"]
    assert figure.get_supxlabel() == "log squared gradient norm (log nats²)"
    assert figure.get_supylabel() == "images per bin (% of set)"
    assert [len(axis.lines) for axis in figure.axes] == [1, 1]
    assert [len(axis.lines) for axis in make_figure(panels(LAYERS[0])).axes] == [0]


def test_many_statistics_take_several_pages() -> None:
    many = panels(*LAYERS) * 6
    first, second = pages_of(many)
    assert (len(first.axes), sum(axis.axison for axis in second.axes)) == (32, 4)
    assert second.legends[0].get_title().get_text().endswith("page 2 of 2")
    assert [len(page.axes) for page in pages_of(panels(*LAYERS))] == [6]


def test_all_statistics_are_shown_by_default_and_likelihoods_too(run: Path, tmp_path: Path) -> None:
    words = ("glow", str(run), "--id_datasets", "svhn", "--datasets", "celeba")
    main([*words, "--anomaly_detection", "likelihoods", "--output", str(tmp_path / "all")])
    with (tmp_path / "all.csv").open() as text:
        rows = list(csv.DictReader(text))
    assert {row["statistic"] for row in rows} == {"log_prob", "log_prob.scale0", "log_prob.scale1"}
    expected = likelihood("svhn", bits=3.6).value("log_prob").mean()
    mean = next(row["mean"] for row in rows if (row["set"], row["statistic"]) == ("svhn", "log_prob"))
    assert float(mean) == pytest.approx(expected)


def test_random_statistics_are_those_of_the_seed() -> None:
    names = [f"tensor{number}" for number in range(50)]
    first, again, other = (chosen_names([names], 5, seed=seed) for seed in (0, 0, 1))
    assert first == again != other
    assert first == sorted(first, key=names.index)
    assert chosen_names([names, names[10:20]], None) == names[10:20]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((0, ()), "--n_statistics must be between 1 and 6, got 0"),
        ((7, ()), "--n_statistics must be between 1 and 6, got 7"),
        ((None, ["flow.scales.0.steps.1.conf"]), r"close are flow\.scales\.0\.steps\.1\.conv"),
    ],
)
def test_statistics_that_are_not_there_are_refused(
    arguments: tuple[int | None, list[str]], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        chosen_names([LAYERS], *arguments)
    with pytest.raises(ValueError, match="no statistic of one name in common"):
        chosen_names([LAYERS, ["other"]], None)


def test_methods_on_several_kinds_have_no_one_axis() -> None:
    assert kind_of("gradients_L2_norms") == "gradients"
    with pytest.raises(ValueError, match="combined is made of"):
        kind_of("combined")


def test_zero_gradients_are_counted_not_drawn() -> None:
    (panel,) = panels(LAYERS[0])
    values = panel.sets["celeba"].copy()
    values[:3] = -np.inf
    harmed = FeaturePanel(panel.model, panel.name, {**panel.sets, "celeba": values}, panel.meta)
    assert make_figure([harmed]).axes[0].texts[0].get_text().endswith("3 not finite")
    assert [row[-1] for row in table([harmed]) if row[-2] == ""] == [3, 0, 0]


def test_a_tensor_without_any_gradient_leaves_its_panel_empty() -> None:
    panel, other = panels(*LAYERS[:2])
    none = {name: np.full(len(values), -np.inf) for name, values in panel.sets.items()}
    empty = FeaturePanel(panel.model, panel.name, none, panel.meta)
    figure = make_figure([empty, other])
    assert figure.axes[0].texts[0].get_text() == "no finite value"
    assert shown(figure) == [0, 3]
    rows = [row for row in table([empty, other]) if row[1] == LAYERS[0]]
    assert [row[-1] for row in rows if row[-2] == ""] == [40, 40, 40]
    assert sum(int(str(row[-1])) for row in rows) == 120
    constant = {name: np.zeros(len(values)) for name, values in panel.sets.items()}
    (axis,) = make_figure([FeaturePanel("a", "b", constant, panel.meta)], Look(fitted=True)).axes
    assert (len(axis.lines), axis.get_xlim()) == (0, (-0.5, 0.5))


def test_missing_statistics_and_mixed_models_end_in_one_sentence(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["glow", "MODEL", "--id_datasets", "celeba", "--datasets", "lsun"]
    monkeypatch.setattr(sys, "argv", ["x", *words, "--anomaly_detection", "typicality", "--batch_size", "5"])
    with pytest.raises(SystemExit) as end:
        run_module("plots.summary_statistic_histograms")
    assert end.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith(
        f"python main.py statistics --run {run} --data celeba lsun --statistics likelihood --group-size 5"
    )
    keep(likelihood("lsun", noise_draws=2), run)
    with pytest.raises(ValueError, match="computed alike, but noise_draws"):
        main([*words, "--anomaly_detection", "likelihoods"])
