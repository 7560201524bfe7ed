"""Two runs whose folders have one name are told apart in everything that compares runs."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from plots import (
    anomaly_AUROC,
    hierarchy_table,
    likelihood_histogram_comparison,
    likelihood_histograms,
    rank_correlation,
    statistic_autocorrelation,
)
from plots.anomaly_table import tables
from plots.summary_statistic_histograms import figure
from tests.plots.examples import gradients, keep, likelihood, make_run

SETS = ("cifar10", "svhn")
PAPER = ("--id_datasets", "cifar10", "cifar10", "--datasets", *SETS)
GRADIENTS = ("--anomaly_detection", "gradients_L2_norms_gaussian")
HIERARCHY = ("--in-distribution", "cifar10", "--out-of-distribution", "svhn")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Make a/model and b/model, whose statistics call both of them "model"."""
    folder = tmp_path_factory.mktemp("runs")
    for place, parent in enumerate("ab"):
        run = make_run(folder / parent / "model")
        for shift, name in enumerate(SETS):
            meta: dict[str, Any] = {"model": "model", "checkpoint_sha256": "0" * 63 + str(place)}
            keep(gradients(name, shift=shift + place, **meta), run)
            keep(likelihood(name, bits=3 + shift + place, **meta), run)
        (run / "checkpoint.json").unlink()  # which names other weights
    return folder / "a" / "model", folder / "b" / "model"


@pytest.mark.parametrize(
    ("main", "options"),
    [
        (anomaly_AUROC.main, GRADIENTS),
        (tables.main, GRADIENTS),
        (figure.main, GRADIENTS),
        (likelihood_histogram_comparison.main, ()),
        (statistic_autocorrelation.main, ()),
    ],
    ids=lambda value: value.__module__ if callable(value) else "",
)
def test_figures_of_several_runs_name_each(
    main: Callable[[Sequence[str]], None], options: Sequence[str], runs: tuple[Path, Path], tmp_path: Path
) -> None:
    main(["glow", *map(str, runs), *PAPER, *options, "--output", str(tmp_path / "figure")])
    assert {row["model"] for row in read(tmp_path / "figure.csv")} == {"a/model", "b/model"}


def test_ranks_name_each_run(runs: tuple[Path, Path], tmp_path: Path) -> None:
    words = ["--run", str(runs[0]), "--others", str(runs[1]), *HIERARCHY]
    rank_correlation.main([*words, "--output", str(tmp_path / "figure")])
    (row, *_) = read(tmp_path / "figure-coefficients.csv")
    assert (row["model"], row["other"]) == ("a/model", "b/model")


def test_a_general_model_of_the_same_name_is_named(runs: tuple[Path, Path], tmp_path: Path) -> None:
    words = ["--run", str(runs[0]), "--general", str(runs[1]), *HIERARCHY]
    likelihood_histograms.main([*words, "--output", str(tmp_path / "figure")])
    titles = {row["panel"] for row in read(tmp_path / "figure.csv")}
    assert "Likelihood ratio, models: a/model, b/model" in titles
    hierarchy_table.main([*words, "--method", "likelihood_ratio", "--output", str(tmp_path / "table")])
    (row,) = read(tmp_path / "table.csv")
    assert (row["run"], row["general_model"]) == ("a/model", "b/model")
    assert "General model of the ratios: b/model." in (tmp_path / "table.md").read_text()


def test_files_without_runs_say_which_model_is_which() -> None:
    specific, general = (
        [likelihood(name, bits=bits, model="model", checkpoint_sha256=f"{bits}") for name in SETS]
        for bits in (3, 4)
    )
    _, ratio = likelihood_histograms.likelihood_panels(specific, general)
    assert ratio.title == "Likelihood ratio, models: model (specific), model (general)"
    assert ratio.axis == "bits per dimension, model (specific) minus model (general)"


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))
