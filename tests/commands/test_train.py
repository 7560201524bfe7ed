"""`main.py train` from scratch: what it writes and says, and what the same command does again."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from torch import Tensor

from commands import restarting
from invglow.checkpoints import load_weights, newest_checkpoint, read_config
from invglow.files import sha256_of_file
from invglow.training.step import StepResult, TrainingStep
from tests.commands.calls import SHORT, TINY, Call, Hierarchy, Outcome, save_images


def state(run: Path) -> dict[Path, tuple[str, int]]:
    """Return checksum and time of every file of a run."""
    files = (path for path in run.rglob("*") if path.is_file())
    return {path: (sha256_of_file(path), path.stat().st_mtime_ns) for path in files}


def losses(run: Path) -> list[float]:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [line["loss"] for line in lines if "loss" in line]


@pytest.fixture
def run(hierarchy: Hierarchy, tmp_path: Path, call: Call) -> Path:
    """Return a trained run of four steps."""
    folder = tmp_path / "run"
    assert call("train", "--data", hierarchy.wide, "--run", folder, *SHORT, *TINY).code == 0
    return folder


def test_it_writes_a_run_and_says_where_and_what_next(
    hierarchy: Hierarchy, tmp_path: Path, call: Call
) -> None:
    run = tmp_path / "runs" / "new"
    outcome = call("train", "--data", hierarchy.wide, "--run", run, *SHORT, *TINY)
    assert outcome.code == 0
    assert {path.name for path in run.iterdir()} == {
        "config.json",
        "checkpoint.json",
        "model.safetensors",
        "training_state.pt",
        "previous",
        "metrics.jsonl",
        "tensorboard",
    }
    assert any((run / "tensorboard").glob("events.*"))
    assert f"Training on {hierarchy.wide} (24 images), from a fresh model, on " in outcome.out
    assert re.search(rf"Done: 4 steps in \d+ s of training. Files: {run}\n", outcome.out)
    assert f"Next: python main.py evaluate --run {run} --in-distribution {hierarchy.wide}" in outcome.out
    settings = read_config(run)["model"]["settings"]
    assert (settings["scales"], settings["steps_per_scale"], settings["hidden_channels"]) == (2, 1, 4)
    assert len(losses(run)) == 4


def test_it_learns(hierarchy: Hierarchy, tmp_path: Path, call: Call) -> None:
    fast = ("--learning-rate", "0.02", "--warmup-steps", "5", "--log-every", "1", "--no-augmentation")
    length = ("--steps", "40", "--batch-size", "16")
    call("train", "--data", hierarchy.inside, "--run", tmp_path / "run", *fast, *length, *TINY)
    found = losses(tmp_path / "run")
    assert sum(found[-5:]) / 5 < sum(found[:5]) / 5 - 10  # nats per image


def test_the_same_command_again_trains_nothing(run: Path, hierarchy: Hierarchy, call: Call) -> None:
    before = state(run)
    outcome = call("train", "--data", hierarchy.wide, "--run", run, *SHORT, *TINY)
    assert outcome.code == 0
    assert "All 4 steps were done before: nothing is trained again" in outcome.out
    assert state(run) == before


@pytest.mark.parametrize(
    ("change", "setting", "recorded", "asked"),
    [
        (("--steps", "5"), "training.steps", "4", "5"),
        (("--learning-rate", "0.1"), "training.learning_rate", "0.0005", "0.1"),
        (("--seed", "3"), "training.seed", "0", "3"),
        (("--no-augmentation",), "training.flip", "None", "False"),
        (("--limit", "9"), "data.images", "24", "9"),
    ],
)
def test_other_settings_are_refused_by_name(
    run: Path,
    hierarchy: Hierarchy,
    call: Call,
    *,
    change: tuple[str, ...],
    setting: str,
    recorded: str,
    asked: str,
) -> None:
    before = state(run)
    sentence = call("train", "--data", hierarchy.wide, "--run", run, *SHORT, *TINY, *change).refusal()
    assert f"{run} holds a run with {setting} = {recorded}, asked for was {asked}" in sentence
    assert state(run) == before


def test_restart_trains_anew(run: Path, hierarchy: Hierarchy, call: Call) -> None:
    (run / "statistics").mkdir()
    command = ("train", "--data", hierarchy.wide, "--run", run, *SHORT, *TINY, "--seed", "3", "--restart")
    assert call(*command).code == 0
    assert read_config(run)["training"]["seed"] == 3
    assert not (run / "statistics").exists()


def test_restart_deletes_only_runs(hierarchy: Hierarchy, tmp_path: Path, call: Call) -> None:
    precious = tmp_path / "thesis.txt"
    precious.write_text("years of work")
    command = ("train", "--data", hierarchy.wide, "--run", tmp_path, *SHORT, *TINY, "--restart")
    assert "is not a run folder" in call(*command).refusal()
    assert precious.read_text() == "years of work"


def test_a_restart_that_was_killed_can_be_asked_for_again(
    run: Path, hierarchy: Hierarchy, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ("train", "--data", hierarchy.wide, "--run", run, *SHORT, *TINY, "--seed", "3", "--restart")
    for _ in range(3):  # of six files and folders besides config.json
        with monkeypatch.context() as patch:
            patch.setattr(restarting, "_delete", once_then_killed(restarting._delete))
            assert call(*command).code == 130
        assert (run / "config.json").exists()
    assert call(*command).code == 0
    assert read_config(run)["training"]["seed"] == 3


def once_then_killed(delete: Callable[[Path], None]) -> Callable[[Path], None]:
    """Return a function that deletes the first time it is called and then stands for a kill."""
    calls: list[Path] = []

    def deleting(path: Path) -> None:
        if calls:
            raise KeyboardInterrupt
        calls.append(path)
        delete(path)

    return deleting


def test_a_checkpoint_of_unknown_settings_is_not_gone_on_from(
    run: Path, hierarchy: Hierarchy, call: Call
) -> None:
    (run / "config.json").unlink()
    before = state(run)
    sentence = call("train", "--data", hierarchy.wide, "--run", run, *SHORT, *TINY).refusal()
    assert sentence == f"{run} holds a checkpoint but no config.json that says of what: choose another --run."
    assert state(run) == before


@pytest.mark.parametrize(
    "mistake",
    [
        ("--data", "array:/nowhere.npy"),
        ("--steps", "0"),
        ("--device", "nonsense"),
        ("--evaluate-on", "array:/nowhere.npy"),
        ("--evaluate-limit", "0"),
        ("--hidden-channels", "0"),
        ("--log-every", "0"),
        ("--samples-every", "0"),
    ],
)
def test_restart_deletes_nothing_when_the_command_is_wrong(
    run: Path, hierarchy: Hierarchy, call: Call, mistake: tuple[str, str]
) -> None:
    before = state(run)
    command = ("train", "--data", hierarchy.wide, "--run", run, *SHORT, *TINY, "--restart", *mistake)
    assert call(*command).code == 2
    assert state(run) == before


def test_restart_does_not_delete_its_own_base(run: Path, hierarchy: Hierarchy, call: Call) -> None:
    before = state(run)
    command = ("train", "--data", hierarchy.wide, "--run", run, "--base", run, *SHORT, "--restart")
    assert f"--restart would delete {run}" in call(*command).refusal()
    assert state(run) == before


@pytest.mark.parametrize(("length", "steps"), [(("--epochs", "2"), 5), ((), 24)])
def test_epochs_count_passes_over_the_set(
    tmp_path: Path, call: Call, length: tuple[str, ...], steps: int
) -> None:
    data = save_images(tmp_path / "images.npy", 12)
    assert (
        call("train", "--data", data, "--run", tmp_path / "run", "--batch-size", "5", *length, *TINY).code
        == 0
    )
    assert read_config(tmp_path / "run")["training"]["steps"] == steps


def test_a_limit_takes_the_first_images(hierarchy: Hierarchy, tmp_path: Path, call: Call) -> None:
    outcome = call(
        "train", "--data", hierarchy.wide, "--run", tmp_path / "run", "--limit", "7", *SHORT, *TINY
    )
    assert "(7 images)" in outcome.out


def test_images_may_be_turned_grey(hierarchy: Hierarchy, tmp_path: Path, call: Call) -> None:
    run = tmp_path / "run"
    watch = ("--evaluate-on", hierarchy.outside)
    assert call("train", "--data", hierarchy.wide, "--run", run, "--grey", *watch, *SHORT, *TINY).code == 0
    assert read_config(run)["data"]["image_shape"] == [1, 8, 8]
    line = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])
    assert f"bits_per_dim/{hierarchy.outside}" in line


def test_a_set_without_test_images_is_trained_on_and_that_is_said(tmp_path: Path, call: Call) -> None:
    save_images(tmp_path / "data" / "train.npy", 10)
    data = f"array:{tmp_path / 'data'}"
    outcome = call("train", "--data", data, "--run", tmp_path / "run", *SHORT, *TINY)
    assert outcome.code == 0
    assert "No test images are watched while training: " in outcome.out
    assert "test.npy" in outcome.out


# --- damage ------------------------------------------------------------------------------------


def unfinished(hierarchy: Hierarchy, run: Path, call: Call, monkeypatch: pytest.MonkeyPatch) -> Outcome:
    """Train until Ctrl-C at step 5 of 6, with checkpoints at 2 and 4."""

    def interrupted(step: TrainingStep, number: int, images: Tensor) -> StepResult:
        if number == 4:
            raise KeyboardInterrupt
        return do_step(step, number, images)

    do_step = TrainingStep.__call__
    with monkeypatch.context() as patch:
        patch.setattr(TrainingStep, "__call__", interrupted)
        return call(*six_steps(hierarchy, run))


def six_steps(hierarchy: Hierarchy, run: Path) -> tuple[str | Path, ...]:
    length = ("--steps", "6", "--batch-size", "8", "--checkpoint-every", "2")
    return ("train", "--data", hierarchy.wide, "--run", run, *length, *TINY)


@pytest.mark.parametrize("harm", ["truncated", "changed", "missing"])
@pytest.mark.parametrize("name", ["model.safetensors", "training_state.pt", "checkpoint.json"])
def test_a_damaged_newest_checkpoint_is_named_and_the_one_before_used(
    hierarchy: Hierarchy,
    tmp_path: Path,
    call: Call,
    monkeypatch: pytest.MonkeyPatch,
    *,
    name: str,
    harm: str,
) -> None:
    run = tmp_path / "run"
    assert unfinished(hierarchy, run, call, monkeypatch).code == 130
    damage(run / name, harm)
    for command in readers(hierarchy, run):
        sentence = call(*command).refusal()
        assert str(run / name) in sentence
        assert "The one of step 2 is intact: start the same `train` command again" in sentence
    outcome = call(*six_steps(hierarchy, run))
    assert outcome.code == 0
    assert str(run / name) in outcome.err
    assert "Going on from the one of step 2." in outcome.err
    whole = newest_checkpoint(run)
    assert whole is not None
    assert (whole.step, whole.problems) == (6, ())
    assert "Done: 6 steps" in outcome.out


def damage(path: Path, harm: str) -> None:
    content = path.read_bytes()
    if harm == "missing":
        path.unlink()
    else:
        path.write_bytes(content[:-7] if harm == "truncated" else bytes([content[0] ^ 1]) + content[1:])


def readers(hierarchy: Hierarchy, run: Path) -> list[tuple[str | Path, ...]]:
    sets = ("--in-distribution", hierarchy.wide, "--out-of-distribution", hierarchy.outside)
    return [
        ("statistics", "--run", run, "--data", hierarchy.wide),
        ("evaluate", "--run", run, "--general", hierarchy.specific, *sets),
        ("sample", "--run", run, "--output", run / "samples.png"),
    ]


def test_an_interrupted_run_ends_as_an_uninterrupted_one(
    hierarchy: Hierarchy, tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert unfinished(hierarchy, tmp_path / "one", call, monkeypatch).code == 130
    assert call(*six_steps(hierarchy, tmp_path / "one")).code == 0
    assert call(*six_steps(hierarchy, tmp_path / "other")).code == 0
    weights = [load_weights(tmp_path / name) for name in ("one", "other")]
    assert all(weights[0][name].equal(weights[1][name]) for name in weights[1])
    assert losses(tmp_path / "one") == losses(tmp_path / "other")
