"""`main.py train` from other runs: fine-tuning, equal training and training on."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from invglow.checkpoints import read_config, weights_sha256
from tests.commands.calls import SHORT, TINY, Call, Hierarchy, save_images


def fine_tune(hierarchy: Hierarchy, run: Path, *more: str | Path) -> tuple[str | Path, ...]:
    origin = ("--base", hierarchy.general)
    return ("train", "--data", hierarchy.inside, "--run", run, *origin, *SHORT, *more)


def test_fine_tuning_records_its_base_and_trains_that_on_for_as_long(hierarchy: Hierarchy) -> None:
    tuned, equal = read_config(hierarchy.specific), read_config(hierarchy.specific / "general")
    origin = {"run": str(hierarchy.general), "step": 4, "sha256": weights_sha256(hierarchy.general)}
    assert tuned["origin"] == {**origin, "relation": "base"}
    assert equal["origin"] == {**origin, "relation": "continue"}
    assert tuned["data"]["name"] == hierarchy.inside
    assert equal["data"] == read_config(hierarchy.general)["data"]
    assert equal["training"] == tuned["training"]


def test_what_is_watched_while_fine_tuning(hierarchy: Hierarchy) -> None:
    lines = (hierarchy.specific / "metrics.jsonl").read_text().splitlines()
    watched = [found for found in map(json.loads, lines) if "loss" not in found]
    assert [found["step"] for found in watched] == [2, 4]  # 16 images in batches of 8 are an epoch
    sets = {f"bits_per_dim/{name}" for name in ("train", "test", hierarchy.outside)}
    aurocs = {f"auroc/{hierarchy.outside}", f"auroc_raw/{hierarchy.outside}"}
    assert set(watched[-1]) == {"step", *sets, *aurocs}
    assert all(0 <= watched[-1][name] <= 1 for name in aurocs)


def test_what_to_do_next_is_said_once_and_of_the_run_that_was_asked_for(
    hierarchy: Hierarchy, tmp_path: Path, call: Call
) -> None:
    run = tmp_path / "run"
    said = [line for line in call(*fine_tune(hierarchy, run)).out.splitlines() if line.startswith("Next: ")]
    assert len(said) == 1
    assert f"evaluate --run {run} --in-distribution {hierarchy.inside} " in said[0]


def test_equal_training_counts_steps_and_not_passes_over_another_set(
    hierarchy: Hierarchy, tmp_path: Path, call: Call
) -> None:
    command = ("train", "--data", hierarchy.inside, "--base", hierarchy.general, "--run", tmp_path / "run")
    assert call(*command, "--epochs", "1", "--batch-size", "8").code == 0
    for folder in (tmp_path / "run", tmp_path / "run" / "general"):
        assert read_config(folder)["training"]["steps"] == 2
        assert json.loads((folder / "checkpoint.json").read_text())["step"] == 2


def test_equal_training_can_be_left_out_and_made_up_for(
    hierarchy: Hierarchy, tmp_path: Path, call: Call
) -> None:
    assert call(*fine_tune(hierarchy, tmp_path / "run", "--no-equal-training")).code == 0
    assert not (tmp_path / "run" / "general").exists()
    outcome = call(*fine_tune(hierarchy, tmp_path / "run"))
    assert outcome.code == 0
    assert "All 4 steps were done before" in outcome.out
    assert (tmp_path / "run" / "general" / "model.safetensors").exists()


def test_equal_training_needs_a_base(hierarchy: Hierarchy, tmp_path: Path, call: Call) -> None:
    command = (
        "train",
        "--data",
        hierarchy.wide,
        "--run",
        tmp_path / "run",
        *SHORT,
        *TINY,
        "--equal-training",
    )
    assert "name it with --base RUN" in call(*command).refusal()
    assert not (tmp_path / "run").exists()


def test_equal_training_needs_the_images_of_the_general_run(
    tmp_path: Path, call: Call, hierarchy: Hierarchy
) -> None:
    data = save_images(tmp_path / "own.npy", 12)
    assert call("train", "--data", data, "--run", tmp_path / "base", *SHORT, *TINY).code == 0
    (tmp_path / "own.npy").unlink()
    command = (
        "train",
        "--data",
        hierarchy.inside,
        "--base",
        tmp_path / "base",
        "--run",
        tmp_path / "run",
        *SHORT,
    )
    sentence = call(*command).refusal()
    assert "its images are missing" in sentence
    assert "--no-equal-training" in sentence
    assert not (tmp_path / "run").exists()
    assert call(*command, "--no-equal-training").code == 0


def test_a_run_is_trained_on_with_its_own_images(hierarchy: Hierarchy, tmp_path: Path, call: Call) -> None:
    outcome = call("train", "--continue", hierarchy.general, "--run", tmp_path / "on", *SHORT)
    assert outcome.code == 0
    assert f"from continue {hierarchy.general}" in outcome.out
    config = read_config(tmp_path / "on")
    assert config["origin"]["relation"] == "continue"
    assert config["data"] == read_config(hierarchy.general)["data"]
    assert not (tmp_path / "on" / "general").exists()


def test_images_that_changed_since_are_not_taken_for_the_same(tmp_path: Path, call: Call) -> None:
    data = save_images(tmp_path / "own.npy", 12)
    assert call("train", "--data", data, "--run", tmp_path / "base", *SHORT, *TINY).code == 0
    save_images(tmp_path / "own.npy", 12, seed=9)
    command = ("train", "--continue", tmp_path / "base", "--run", tmp_path / "on", *SHORT)
    assert f"{data} has changed since" in call(*command).refusal()
    assert call(*command, "--data", data).code == 0


def test_runs_are_found_by_name_in_the_runs_folder(
    hierarchy: Hierarchy, tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INVGLOW_RUNS", str(hierarchy.general.parent))
    command = ("train", "--continue", "general", "--run", tmp_path / "on", *SHORT)
    assert call(*command).code == 0
    assert read_config(tmp_path / "on")["origin"]["run"] == str(hierarchy.general)


def test_a_base_trained_in_grey_takes_colour_images(tmp_path: Path, call: Call, hierarchy: Hierarchy) -> None:
    grey = save_images(tmp_path / "grey.npy", 12, channels=1)
    assert call("train", "--data", grey, "--run", tmp_path / "base", *SHORT, *TINY).code == 0
    command = (
        "train",
        "--data",
        hierarchy.inside,
        "--base",
        tmp_path / "base",
        "--run",
        tmp_path / "run",
        *SHORT,
    )
    assert "read it in grey (--grey)" in call(*command).refusal()
    assert call(*command, "--grey", "--evaluate-on", hierarchy.outside).code == 0


def test_a_base_that_is_no_run_is_refused(hierarchy: Hierarchy, tmp_path: Path, call: Call) -> None:
    for origin in ("--base", "--continue"):
        command = (
            "train",
            "--data",
            hierarchy.inside,
            origin,
            tmp_path / "nowhere",
            "--run",
            tmp_path / "run",
        )
        assert f"{tmp_path / 'nowhere'} is not a run folder" in call(*command).refusal()


def test_a_damaged_base_is_refused(copied: Hierarchy, tmp_path: Path, call: Call) -> None:
    weights = copied.general / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-3])
    assert (
        f"{weights} is missing, truncated or changed" in call(*fine_tune(copied, tmp_path / "run")).refusal()
    )
    assert not (tmp_path / "run").exists()


def test_a_base_that_was_trained_anew_is_refused_for_the_run_it_began(tmp_path: Path, call: Call) -> None:
    data = ("--data", save_images(tmp_path / "own.npy", 12))
    base = ("train", *data, "--run", tmp_path / "base", *SHORT, *TINY)
    tuned = ("train", *data, "--run", tmp_path / "tuned", "--base", tmp_path / "base", *SHORT)
    assert call(*base).code == call(*tuned).code == 0
    assert call(*base, "--seed", "5", "--restart").code == 0
    assert f"{tmp_path / 'tuned'} holds a run with origin.sha256 = " in call(*tuned).refusal()
    sets = ("--in-distribution", data[1], "--out-of-distribution", data[1])
    shutil.rmtree(tmp_path / "tuned" / "general")
    sentence = call("evaluate", "--run", tmp_path / "tuned", *sets).refusal()
    assert f"was {tmp_path / 'base'}, whose weights have changed since" in sentence
