"""Figures of the Fisher information matrix: the matrix itself, what they show, and the commands."""

from __future__ import annotations

import csv
import json
import math
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from anomaly_methods.matrix_options import MatrixOptions
from anomaly_methods.statistics import Statistics
from plots.FIM_approximation import normalised, raw_FIMs, values_histogram
from plots.FIM_approximation.command import draw
from plots.FIM_approximation.matrix import FisherMatrix, fisher_matrix, tensor_labels
from plots.style import style
from tests.anomaly_methods.examples import make_statistics
from tests.programs import run_module


def statistics(samples: int = 400, **changes: object) -> Statistics:
    """Return gradients of two tensors: entries of the first are independent, of the second nearly alike."""
    rng = np.random.default_rng(0)
    noise, shared = rng.normal(size=(samples, 5)), rng.normal(size=samples)
    values = {
        "net.a.weight[0]": 2 * noise[:, 0],
        "net.a.weight[7]": 2 * noise[:, 1],
        "net.a.weight[9]": np.zeros(samples),
        "net.b.bias[0]": 10 * (shared + 0.1 * noise[:, 2]),
        "net.b.bias[1]": 10 * (shared + 0.1 * noise[:, 3]),
    }
    return make_statistics(values, **{"kind": "fisher_matrix", "dataset": "samples of the model", **changes})


@pytest.fixture(scope="module")
def found() -> FisherMatrix:
    return fisher_matrix(statistics())


def test_the_matrix_is_the_mean_of_products(found: FisherMatrix) -> None:
    g = statistics()
    a, b = g.value("net.a.weight[7]"), g.value("net.b.bias[1]")
    names = list(found.names)
    place = (names.index("net.a.weight[7]"), names.index("net.b.bias[1]"))
    expected = math.fsum(x * y for x, y in zip(a, b, strict=True)) / len(a)
    assert found.raw[place] == pytest.approx(expected, rel=1e-12)
    squares = [math.fsum(x * x for x in one) / len(one) for one in (a, b)]
    assert found.normalised[place] == pytest.approx(expected / math.sqrt(math.prod(squares)), rel=1e-12)
    assert np.diag(found.normalised) == pytest.approx(1)


def test_entries_without_any_gradient_and_broken_samples_are_left_out_and_counted() -> None:
    whole = statistics()
    values = {name: array.copy() for name, array in whole.values.items()}
    values["net.b.bias[0]"][3] = np.nan
    values["net.b.bias[1]"][5] = np.inf
    broken = fisher_matrix(Statistics(values, whole.index, whole.meta))
    assert (broken.nonfinite, broken.silent) == (2, 1)
    assert len(broken.gradients) == 398
    assert np.isfinite(broken.normalised).all()
    assert "model: runs/specific, group size 1" in broken.summary()
    assert "2 samples left out (not finite), 1 entries left out (gradient always 0)" in broken.summary()


def test_a_matrix_as_the_paper_approximates_it_is_scaled_to_the_identity() -> None:
    rows = np.array([[1, 1, 3, 3], [1, -1, 3, -3], [-1, 1, -3, 3], [-1, -1, -3, -3]], dtype=float)
    columns = {"a[0]": rows[:, 0], "a[1]": rows[:, 1], "b[0]": 0 * rows[:, 0] + [2, 2, -2, -2]}
    columns["b[0]"] = np.array([2.0, -2.0, -2.0, 2.0])  # orthogonal to both
    identity = fisher_matrix(make_statistics(columns, kind="fisher_matrix"))
    np.testing.assert_allclose(identity.scaled, np.eye(3), atol=1e-12)


def test_a_matrix_of_one_sample_is_said_to_be_one(found: FisherMatrix) -> None:
    assert "one sample" not in found.summary()
    gradients = found.gradients.copy()
    gradients[7] = 1e6
    wild = replace(found, gradients=gradients)
    others = (gradients[:, 0] ** 2).sum() - 1e12
    assert wild.largest_share == pytest.approx(1e12 / (1e12 + others), abs=1e-6)
    assert np.abs(wild.normalised).min() == pytest.approx(1, abs=1e-6)
    assert "one sample makes 100 % of the median diagonal entry" in wild.summary()


def test_evaluation_and_temperature_are_said_and_kept_beside_the_figure() -> None:
    changed = statistics(bound="elbo", evaluation="3 codes", settings={"temperature": 0.7})
    found = fisher_matrix(changed)
    assert "model: runs/specific (log p: elbo, 3 codes), group size 1" in found.summary()
    assert "400 samples of the model at temperature 0.7, 2 tensors" in found.summary()
    for table in (normalised.table, values_histogram.table):
        assert all(row[-5:] == (found.model, "elbo", "3 codes", 0.7, 400) for row in table(found))
    assert fisher_matrix(statistics()).provenance == (found.model, "exact", "", 1.0, 400)


def test_a_bound_is_named() -> None:
    assert (
        "model: runs/specific (log p: elbo), group size 1"
        in fisher_matrix(statistics(bound="elbo")).summary()
    )


def test_shuffling_leaves_nothing_but_chance(found: FisherMatrix) -> None:
    within, _ = found.pairs()
    assert np.abs(found.normalised[within]).max() > 0.9
    assert np.abs(found.shuffled[within]).max() < 4 / math.sqrt(400)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (make_statistics([1.0, 2.0]), "takes statistics of the kind fisher_matrix, got likelihood"),
        (make_statistics({"a[0]": [1.0, 2.0]}, kind="fisher_matrix"), "there are 2 and 1"),
        (
            make_statistics({"a[0]": [1.0, np.nan], "a[1]": [1.0, 2.0]}, kind="fisher_matrix"),
            "there are 1 and",
        ),
    ],
)
def test_what_cannot_be_drawn_is_refused(wrong: Statistics, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        fisher_matrix(wrong)


def test_the_normalised_figure_shows_the_matrix_and_says_what_of(found: FisherMatrix) -> None:
    figure = normalised.make_figure(found)
    axis, bar = figure.axes
    np.testing.assert_array_equal(np.asarray(axis.images[0].get_array()), found.normalised)
    assert axis.images[0].get_clim() == (-1, 1)
    assert [text.get_text() for text in axis.get_yticklabels()] == ["1  a.weight", "2  b.bias"]
    assert "400 samples of the model, 2 tensors, 4 entries" in axis.get_title()
    assert "by chance" in axis.get_xlabel()
    assert "no unit" in bar.get_ylabel()


def test_long_names_of_tensors_are_whole() -> None:
    whole = statistics()
    longer = {
        "net.b": "net.up_blocks.0.resnets.0.time_emb_projection",
        "net.a": "net.mid_blocks.0.resnets.1.conv",
    }
    values = {f"{longer[name[:5]]}{name[5:]}": array for name, array in whole.values.items()}
    figure = normalised.make_figure(fisher_matrix(Statistics(values, whole.index, whole.meta)))
    with style():
        figure.draw_without_rendering()
    labels = figure.axes[0].get_yticklabels()
    assert labels[1].get_text().endswith("up_blocks.0.resnets.0.time_emb_projection.bias")
    assert all(label.get_window_extent().x0 >= 0 for label in labels)


def test_each_tensor_has_a_raw_matrix_on_its_own_scale(found: FisherMatrix) -> None:
    panels = [axis for axis in raw_FIMs.make_figure(found).axes if axis.images]
    shown = [np.asarray(axis.images[0].get_array()) for axis in panels]
    np.testing.assert_array_equal(shown[0], found.raw[:2, :2])
    np.testing.assert_array_equal(shown[1], found.raw[2:, 2:])
    assert [axis.images[0].get_clim()[1] for axis in panels] == [one.max() for one in shown]


def test_histograms_count_every_entry(found: FisherMatrix) -> None:
    figure = values_histogram.make_figure(found)
    assert [len(axis.patches) for axis in figure.axes] == [3, 3]
    assert "entries per bin (%)" in figure.axes[0].get_ylabel()
    counted: dict[tuple[str, str], int] = {}
    for panel, name, _, _, count, *_ in values_histogram.table(found):
        key = (str(panel), str(name))
        counted[key] = counted.get(key, 0) + int(str(count))
    assert counted[("size", "diagonal")] == 4
    assert counted[("size", "within a tensor")] == counted[("normalised", "within a tensor")] == 2
    assert counted[("normalised", "between tensors")] == 4
    assert counted[("normalised", "by chance (shuffled)")] == 6


def test_labels_leave_out_what_all_names_share() -> None:
    assert tensor_labels(fisher_matrix(statistics())) == ["1\xa0\xa0a.weight", "2\xa0\xa0b.bias"]
    alone = make_statistics(
        {"net.a.weight[0]": [1.0, 2.0], "net.a.weight[1]": [2.0, 1.0]}, kind="fisher_matrix"
    )
    assert tensor_labels(fisher_matrix(alone)) == ["1\xa0\xa0weight"]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("INVGLOW_RUNS", str(tmp_path / "runs"))
    folder = tmp_path / "runs" / "mine"
    folder.mkdir(parents=True)
    config = {"format_version": 1, "model": {"family": "glow"}}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def call(*words: str | Path) -> None:
    draw([str(word) for word in words], "", "", normalised.save)


def test_the_command_draws_what_is_there(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    statistics().save(MatrixOptions(n_samples=400).path(run))
    call("glow", "mine", "--n_samples", "400", "--output", run / "f")
    assert capsys.readouterr().out.split() == [str(run / f"f.{kind}") for kind in ("pdf", "png", "csv")]
    with (run / "f.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 4 * 5 / 2
    assert float(rows[0]["fisher_information"]) == fisher_matrix(statistics()).raw[0, 0]


def test_missing_statistics_are_said_with_the_command_that_makes_them(run: Path) -> None:
    command = f"python -m anomaly_methods.fisher_matrix glow {run} --layers 'a.*' --n_layers 2"
    with pytest.raises(FileNotFoundError, match=re.escape(command)):
        call("glow", "mine", "--n_layers", "2", "--layers", "a.*", "--output", run / "f")


def test_statistics_of_other_weights_or_another_family_are_refused(run: Path) -> None:
    statistics().save(MatrixOptions().path(run))
    (run / "checkpoint.json").write_text(json.dumps({"sha256": {"model.safetensors": "b" * 64}}))
    with pytest.raises(ValueError, match=r"is of other weights than .*--recompute"):
        call("glow", "mine", "--output", run / "f")
    with pytest.raises(ValueError, match="family glow, not vae"):
        call("vae", "mine", "--output", run / "f")


def test_missing_statistics_are_made_when_asked_for(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[list[str]] = []

    def made(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        called.append(command[1:])
        statistics().save(MatrixOptions(seed=3).path(run))
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(subprocess, "run", made)
    call("glow", "mine", "--seed", "3", "--compute", "--output", run / "f")
    assert called == [["-m", "anomaly_methods.fisher_matrix", "glow", str(run), "--seed", "3"]]
    assert (run / "f.png").exists()


@pytest.mark.parametrize("module", ["__main__", "raw_FIMs", "values_histogram"])
def test_package_and_submodules_run_and_refuse_in_one_sentence(
    module: str, run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["plots", "glow", "mine", "--output", str(run / "f")])
    with pytest.raises(SystemExit) as exit_:
        run_module(f"plots.FIM_approximation.{module}")
    assert exit_.value.code == 2
    assert capsys.readouterr().err.startswith("error: Statistics for this figure are missing")
