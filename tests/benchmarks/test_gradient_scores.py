"""The command that compares all methods on pairs of image sets, on runs that train in a second."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from anomaly_methods.evaluation import evaluate
from anomaly_methods.methods.registry import METHODS, get_method
from anomaly_methods.methods.sources import SPECIFIC_GRADIENTS
from anomaly_methods.metrics import Separation
from anomaly_methods.statistics import Statistics
from anomaly_methods.table import Row
from benchmarks import gradient_scores
from benchmarks.score_pairs import Cell, Cost, Pair
from benchmarks.score_tables import costs_table, methods_table, remarks
from models.glow import Glow
from tests.commands.calls import Call, Hierarchy, train_hierarchy


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Hierarchy:
    return train_hierarchy(tmp_path_factory.mktemp("trained"))


@pytest.fixture
def runs(trained: Hierarchy, tmp_path: Path) -> Hierarchy:
    shutil.copytree(trained.folder, tmp_path / "runs")
    return Hierarchy(tmp_path / "runs")


@pytest.fixture
def score(capsys: pytest.CaptureFixture[str]) -> Call:
    """Return what runs the command."""
    return Call(capsys, gradient_scores.main)


GAUSSIAN = "gradients_L2_norms_gaussian"
SOME = ("--method", "raw_likelihood", "likelihood_ratio", GAUSSIAN)


def numbers(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def gradients(run: Path, word: str) -> Statistics:
    (path,) = (run / "statistics").glob(f"*{word}*groups2-gradients.npz")
    return Statistics.load(path)


def test_pairs_are_compared_and_nothing_is_computed_twice(
    runs: Hierarchy, score: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = ("--json", tmp_path / "s.json", "--markdown", tmp_path / "s.md")
    one = ("--pair", runs.specific, runs.inside, runs.outside)
    two = ("--pair", runs.general, runs.inside, runs.wide)
    command = (*one, *two, "--group-size", "1", "2", *SOME, *files)
    outcome = score(*command)
    assert outcome.code == 0
    found = numbers(tmp_path / "s.json")
    scores = {(row["pair"], row["group_size"], row["method"]): row for row in found["scores"]}
    first, second = "inside / outside", "inside / wide"
    assert len(scores) == 10
    assert (first, 1, "likelihood_ratio") in scores
    reasons = {(row["pair"], row["method"]): row["reason"] for row in found["left_out"]}
    assert set(reasons) == {(second, "likelihood_ratio")}
    assert "general model, but got none" in reasons[second, "likelihood_ratio"]
    table = (tmp_path / "s.md").read_text()
    assert table in outcome.out
    mean = (scores[first, 2, GAUSSIAN]["auroc"] + scores[second, 2, GAUSSIAN]["auroc"]) / 2
    (line,) = (line for line in table.splitlines() if line.startswith(f"| `{GAUSSIAN}`"))
    assert f"{mean:.3f}" in line.split("|")[7]
    assert {cost["kind"] for cost in found["costs"]} == {"likelihood", "gradients"}
    assert all(cost["seconds"] > 0 for cost in found["costs"])

    def called(*_: object) -> None:
        raise AssertionError("the model was asked, though the statistics are there")

    monkeypatch.setattr(Glow, "scale_terms", called)
    assert score(*command).out.splitlines()[1:-2] == outcome.out.splitlines()[1:-2]  # but for the load


def test_numbers_are_those_of_the_statistics_in_the_run(runs: Hierarchy, score: Call, tmp_path: Path) -> None:
    sets = ("--pair", runs.specific, runs.inside, runs.outside)
    only = ("--group-size", "2", "--method", GAUSSIAN, "--json", tmp_path / "s.json")
    assert score(*sets, *only).code == 0
    (row,) = numbers(tmp_path / "s.json")["scores"]
    (expected,) = evaluate(
        [get_method(GAUSSIAN)],
        {SPECIFIC_GRADIENTS: gradients(runs.specific, "inside")},
        [{SPECIFIC_GRADIENTS: gradients(runs.specific, "outside")}],
    )
    assert row == {"pair": "inside / outside", **expected.to_json()}
    assert (row["n_in"], row["n_out"]) == (13, 5)


def test_every_method_gets_a_number_or_a_reason(runs: Hierarchy, score: Call, tmp_path: Path) -> None:
    sets = ("--pair", runs.specific, runs.inside, runs.outside)
    assert score(*sets, "--group-size", "1", "--json", tmp_path / "s.json").code == 0
    found = numbers(tmp_path / "s.json")
    scored = {row["method"] for row in found["scores"]}
    assert {"combined", "gradients_ratio_gaussian", "fisher_diagonal", "fisher_kronecker"} <= scored
    assert scored | {row["method"] for row in found["left_out"]} == set(METHODS)
    assert all(row["reason"] for row in found["left_out"])


@pytest.mark.parametrize(("limit", "groups"), [("40", 20), ("0", None)])
def test_dear_statistics_may_have_fewer_images_or_none(
    score: Call, runs: Hierarchy, monkeypatch: pytest.MonkeyPatch, limit: str, groups: int | None
) -> None:
    monkeypatch.setattr(gradient_scores, "_DEAR", {"gradients"})
    sets = ("--pair", runs.specific, runs.inside, runs.outside, "--group-size", "1", *SOME)
    assert score(*sets, "--fisher-limit", limit, "--json", runs.folder / "s.json").code == 0
    found = {row["method"]: row["n_in"] for row in numbers(runs.folder / "s.json")["scores"]}
    assert found.pop(GAUSSIAN, None) == groups
    assert found == {"raw_likelihood": 50, "likelihood_ratio": 50}


def test_a_set_that_is_not_there_is_refused_before_anything_is_computed(
    runs: Hierarchy, score: Call, tmp_path: Path
) -> None:
    sets = ("--pair", runs.specific, runs.inside, runs.outside)
    missing = ("--pair", runs.general, runs.wide, f"array:{tmp_path / 'gone.npy'}")
    assert "gone.npy" in score(*sets, *missing).refusal()
    assert not (runs.specific / "statistics").exists()


def test_unknown_methods_are_refused(runs: Hierarchy, score: Call) -> None:
    sets = ("--pair", runs.specific, runs.inside, runs.outside)
    assert "did you mean typicality" in score(*sets, "--method", "typicalty").refusal()


def row(auroc: float) -> Row:
    found = Separation(auroc, auroc - 0.1, auroc + 0.1, 0.5, 0.5, 0.5, 10, 20, 0)
    return Row("m", "in", "out", found, "exact", 1, "model")


def test_the_best_is_bold_and_means_need_all_pairs() -> None:
    cells = [
        Cell("a / b", 1, "one", row(0.9)),
        Cell("a / b", 1, "two", row(0.7)),
        Cell("a / b", 1, "none", None, "It is Tuesday."),
        Cell("c / d", 1, "one", None, "Too few."),
        Cell("c / d", 1, "two", row(0.3)),
        Cell("c / d", 1, "none", None, "It is Tuesday."),
    ]
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in methods_table(cells).splitlines()]
    assert lines[0] == ["method", "a / b, groups of 1", "c / d, groups of 1", "mean, groups of 1"]
    assert lines[2:] == [
        ["`one`", "**0.900 (0.800 - 1.000)**", "-", "-"],
        ["`two`", "0.700 (0.600 - 0.800)", "**0.300 (0.200 - 0.400)**", "**0.500**"],
    ]
    said = remarks(cells)
    assert "Worse than chance: two on c / d, groups of 1." in said
    assert "Left out: one on c / d, groups of 1. Too few." in said
    assert "Left out: none on a / b, groups of 1; c / d, groups of 1. It is Tuesday." in said
    basis = "models model, log p exact; groups tested, in- and out-of-distribution: 10 and 20"
    assert said[:2] == [
        f"a / b, groups of 1: {basis} (2 methods).",
        f"c / d, groups of 1: {basis} (1 methods).",
    ]


def test_costs_are_per_thousand_images_and_count_each_set_once() -> None:
    costs = [
        Cost("m", "gradients", 1, "x", 500, 2.0),
        Cost("m", "gradients", 1, "y", 1500, 4.0),
        Cost("m", "gradients", 1, "x", 500, 2.0),
        Cost("m", "gradients", 5, "x", 500, None),
    ]
    last = costs_table(costs).splitlines()[-1]
    assert [cell.strip() for cell in last.split("|")[1:-1]] == ["gradients", "m", "3", "-"]


def test_pairs_have_short_names() -> None:
    assert Pair("runs/a", "array:/data/cifar10", "array:/data/svhn.npy").name == "cifar10 / svhn"
    assert Pair("runs/a", "demo-mnist", "general:photos").name == "demo-mnist / photos"
