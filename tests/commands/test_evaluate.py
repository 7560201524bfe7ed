"""`main.py evaluate`: the table, its files, and which general model it takes."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor

from anomaly_methods.statistics import Statistics
from invglow.training.step import StepResult, TrainingStep
from models.glow import Glow
from tests.commands.calls import SHORT, Call, Hierarchy, newest_results

BOTH_MODELS = ["likelihood_ratio", "last_scale_ratio"]
ONE_MODEL = ["raw_likelihood", "last_scale", "typicality"]


def command(hierarchy: Hierarchy, *more: str | Path) -> tuple[str | Path, ...]:
    sets = ("--in-distribution", hierarchy.inside, "--out-of-distribution", hierarchy.outside)
    return ("evaluate", "--run", hierarchy.specific, *sets, *more)


def rows(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(path.read_text())
    return found


def test_it_computes_what_is_missing_and_writes_the_table(copied: Hierarchy, call: Call) -> None:
    outcome = call(*command(copied))
    assert outcome.code == 0
    found = rows(newest_results(copied.specific))
    assert {*ONE_MODEL, *BOTH_MODELS} <= {row["method"] for row in found}
    for row in found:
        assert row["in_distribution"] == copied.inside
        assert row["out_of_distribution"] == copied.outside
        assert 0 <= row["auroc_low"] <= row["auroc"] <= row["auroc_high"] <= 1
        assert (row["bound"], row["n_out"]) == ("exact", 10)
        line = next(line for line in outcome.out.splitlines() if line.startswith(f"{row['method']} "))
        assert f"  {row['auroc']:.3f}  " in line
    assert f"Written: {newest_results(copied.specific)} and " in outcome.out
    for run in (copied.specific, copied.specific / "general"):
        assert len(list((run / "statistics").glob("*-likelihood.npz"))) == 2


def test_the_csv_says_the_same_as_the_json(copied: Hierarchy, call: Call, tmp_path: Path) -> None:
    path = tmp_path / "results" / "table.json"
    assert call(*command(copied, "--json", path)).code == 0
    with path.with_suffix(".csv").open() as file:
        lines = list(csv.DictReader(file))
    assert lines == [{name: str(value) for name, value in row.items()} for row in rows(path)]
    assert not list(copied.specific.glob("evaluation*"))


def test_no_evaluation_takes_the_place_of_another(copied: Hierarchy, call: Call) -> None:
    some = ("--method", "raw_likelihood", "likelihood_ratio")
    others: list[tuple[str | Path, ...]] = [
        (*some,),
        (*some[:2],),
        (*some, "--limit", "8"),
        (*some, "--split", "train"),
        (*some, "--group-size", "2"),
        (*some, "--noise-draws", "1"),
        (*some, "--noise-draws", "1", "--seed", "1"),
        (*some, "--general", copied.general),
    ]
    kept: dict[Path, bytes] = {}
    for more in others:
        assert call(*command(copied, *more)).code == 0
        found = {path: path.read_bytes() for path in copied.specific.glob("evaluation*")}
        assert len(found) == len(kept) + 2
        assert {path: found[path] for path in kept} == kept
        kept = found
    assert call(*command(copied, *some)).code == 0
    assert {path: path.read_bytes() for path in copied.specific.glob("evaluation*")} == kept


def test_a_second_call_asks_no_model(copied: Hierarchy, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    first = call(*command(copied))
    assert first.code == 0

    def called(*_: object) -> None:
        raise AssertionError("the model was asked, though the statistics are there")

    monkeypatch.setattr(Glow, "scale_terms", called)
    assert call(*command(copied)).out == first.out


def test_the_equally_trained_general_model_is_taken(copied: Hierarchy, call: Call) -> None:
    assert "General model" not in call(*command(copied)).out
    general = {row["method"]: row["general_model"] for row in rows(newest_results(copied.specific))}
    assert {general[method] for method in BOTH_MODELS} == {"specific/general"}
    assert {general[method] for method in ONE_MODEL} == {""}


def test_without_it_the_base_is_taken_and_that_is_said(
    hierarchy: Hierarchy, tmp_path: Path, call: Call
) -> None:
    shutil.copytree(hierarchy.folder, tmp_path / "copied")
    copied = Hierarchy(tmp_path / "copied")
    shutil.rmtree(copied.specific / "general")
    outcome = call(*command(copied))
    assert f"General model: {hierarchy.general}, which was not trained on as long as" in outcome.out
    general = {row["method"]: row["general_model"] for row in rows(newest_results(copied.specific))}
    assert general["likelihood_ratio"] == "general"


def test_another_general_model_can_be_named(copied: Hierarchy, call: Call) -> None:
    assert call(*command(copied, "--general", copied.general)).code == 0
    general = {row["method"]: row["general_model"] for row in rows(newest_results(copied.specific))}
    assert general["likelihood_ratio"] == "general"
    sentence = call(*command(copied, "--general", copied.specific)).refusal()
    assert "are of the same model" in sentence


def test_models_whose_folders_have_one_name_are_told_apart(copied: Hierarchy, call: Call) -> None:
    other = shutil.copytree(copied.general, copied.folder / "other" / copied.specific.name)
    words = ("--general", other, "--method", "likelihood_ratio", "raw_likelihood")
    assert call(*command(copied, *words)).code == 0
    ratio, raw = rows(newest_results(copied.specific))
    assert (ratio["model"], ratio["general_model"]) == ("runs/specific", "other/specific")
    assert (raw["model"], raw["general_model"]) == ("runs/specific", "")


def test_without_a_general_model_the_methods_that_need_none_are_left(copied: Hierarchy, call: Call) -> None:
    sets = ("--in-distribution", copied.wide, "--out-of-distribution", copied.outside)
    outcome = call("evaluate", "--run", copied.general, *sets)
    assert outcome.code == 0
    assert (
        "No general model is known for this run (train with --base, or name one with --general)."
        in outcome.out
    )
    left_out = next(line for line in outcome.out.splitlines() if line.startswith("Left out"))
    assert all(method in left_out for method in BOTH_MODELS)
    found = {row["method"] for row in rows(newest_results(copied.general))}
    assert set(ONE_MODEL) <= found
    assert not found & set(BOTH_MODELS)


def test_a_method_that_needs_a_general_model_says_so(copied: Hierarchy, call: Call) -> None:
    sets = ("--in-distribution", copied.wide, "--out-of-distribution", copied.outside)
    outcome = call("evaluate", "--run", copied.general, *sets, "--method", "likelihood_ratio")
    assert outcome.code == 2
    assert outcome.err.splitlines()[-1].startswith(
        "error: This needs likelihood statistics of the general model"
    )


def test_chosen_methods_alone_are_shown(copied: Hierarchy, call: Call) -> None:
    assert call(*command(copied, "--method", "typicality", "raw_likelihood")).code == 0
    found = [row["method"] for row in rows(newest_results(copied.specific))]
    assert found == ["typicality", "raw_likelihood"]


def test_a_method_on_gradients_computes_what_it_needs(copied: Hierarchy, call: Call) -> None:
    name = "gradients_L2_norms_gaussian"
    outcome = call(*command(copied, "--method", name))
    assert outcome.code == 0
    (row,) = rows(newest_results(copied.specific))
    assert (row["method"], row["group_size"], row["bound"]) == (name, 1, "exact")
    files = [path.name for path in (copied.specific / "statistics").iterdir()]
    assert len(files) == 2
    assert all(file.endswith("gradients.npz") for file in files)


def test_groups_are_computed_and_the_images_of_no_whole_group_are_counted(
    copied: Hierarchy, call: Call
) -> None:
    name = "gradients_L2_norms_gaussian"
    outcome = call(*command(copied, "--method", name, "--group-size", "2", "--limit", "49"))
    assert outcome.code == 0
    (row,) = rows(newest_results(copied.specific))
    assert (row["method"], row["group_size"], row["n_in"], row["n_out"]) == (name, 2, 12, 5)
    said = [line for line in outcome.out.splitlines() if "left out" in line]
    assert said == [f"{copied.inside}: left out: the last 1 images, which make no whole group"]
    assert all("groups2-gradients" in path.name for path in (copied.specific / "statistics").iterdir())


def test_a_set_too_small_for_one_group_is_refused(copied: Hierarchy, call: Call) -> None:
    outcome = call(*command(copied, "--method", "typicality", "--group-size", "51"))
    assert "has 50 images, too few for one group of 51" in outcome.refusal()


def test_a_method_that_needs_more_images_is_left_out_unless_named(copied: Hierarchy, call: Call) -> None:
    outcome = call(*command(copied, "--limit", "8"))
    assert outcome.code == 0
    assert "8 in-distribution rows are too few (at least 40): combined_without_gradients" in outcome.out
    found = {row["method"] for row in rows(newest_results(copied.specific))}
    assert {*ONE_MODEL, *BOTH_MODELS} <= found
    assert "combined_without_gradients" not in found


def test_methods_on_gradients_are_left_out_unless_named(copied: Hierarchy, call: Call) -> None:
    outcome = call(*command(copied))
    left_out = next(line for line in outcome.out.splitlines() if "name them with --method: " in line)
    assert "gradients_L2_norms_gaussian" in left_out
    assert not any(row["method"].startswith("gradients") for row in rows(newest_results(copied.specific)))


def test_several_sets_are_compared_with_one(copied: Hierarchy, call: Call) -> None:
    assert call(*command(copied), copied.wide, "--method", "raw_likelihood").code == 0
    found = [row["out_of_distribution"] for row in rows(newest_results(copied.specific))]
    assert found == [copied.outside, copied.wide]


def test_an_unknown_method_is_refused_before_anything_is_computed(copied: Hierarchy, call: Call) -> None:
    sentence = call(*command(copied, "--method", "likelihood_ration")).refusal()
    assert "There is no method 'likelihood_ration': did you mean likelihood_ratio" in sentence
    assert all(method in sentence for method in (*ONE_MODEL, *BOTH_MODELS))
    assert not (copied.specific / "statistics").exists()


def test_a_missing_set_is_noticed_before_anything_is_computed(copied: Hierarchy, call: Call) -> None:
    sentence = call(*command(copied), "array:/nowhere.npy").refusal()
    assert "looked for at /nowhere.npy" in sentence
    assert not (copied.specific / "statistics").exists()


def test_the_csv_cannot_be_the_json(copied: Hierarchy, call: Call) -> None:
    sentence = call(*command(copied, "--json", "results.csv")).refusal()
    assert sentence == "--json names the JSON file, and the CSV is written beside it; got results.csv."
    assert not (copied.specific / "statistics").exists()


def test_a_half_trained_general_model_is_not_taken(
    hierarchy: Hierarchy, tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []

    def interrupted(step: TrainingStep, number: int, images: Tensor) -> StepResult:
        calls.append(number)
        if len(calls) == 8:  # in the last step of the second training
            raise KeyboardInterrupt
        return do_step(step, number, images)

    do_step = TrainingStep.__call__
    origin = ("--base", hierarchy.general, "--checkpoint-every", "2")
    train = ("train", "--data", hierarchy.inside, "--run", tmp_path / "run", *origin, *SHORT)
    with monkeypatch.context() as patch:
        patch.setattr(TrainingStep, "__call__", interrupted)
        assert call(*train).code == 130
    sets = ("--in-distribution", hierarchy.inside, "--out-of-distribution", hierarchy.outside)
    evaluate = ("evaluate", "--run", tmp_path / "run", *sets, "--method", "likelihood_ratio")
    assert (tmp_path / "run" / "general" / "model.safetensors").exists()
    assert f"General model: {hierarchy.general}, which was not trained on" in call(*evaluate).out
    assert call(*train).code == 0
    assert "General model" not in call(*evaluate).out


@pytest.mark.parametrize("choice", ["raise", "anomalous"])
def test_scores_that_are_not_finite_are_refused_or_counted(
    copied: Hierarchy, call: Call, choice: str
) -> None:
    assert call(*command(copied)).code == 0
    (path,) = (copied.specific / "statistics").glob("*outside*-likelihood.npz")
    found = Statistics.load(path)
    values = {name: value.copy() for name, value in found.values.items()}
    values["log_prob"][:3] = float("nan")
    Statistics(values, found.index, found.meta).save(path)
    outcome = call(*command(copied, "--nonfinite", choice, "--method", "raw_likelihood"))
    if choice == "raise":
        assert "3 of " in outcome.refusal()
    else:
        assert rows(newest_results(copied.specific))[0]["nonfinite"] == 3
        assert (
            "not finite: log_prob 3"
            in call("statistics", "--run", copied.specific, "--data", copied.outside).out
        )
