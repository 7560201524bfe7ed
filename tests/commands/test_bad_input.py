"""Whatever a user gets wrong ends in one sentence that says so, and loses nothing."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from invglow.checkpoints import load_weights, newest_checkpoint
from invglow.files import sha256_of_file
from tests.commands.calls import SHORT, TINY, Call, Hierarchy, files, save_images
from tests.invglow.data.examples import Trap, save_picture

SETS = ("--in-distribution", "demo-fashion-mnist", "--out-of-distribution", "demo-mnist")


# --- runs --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command",
    [
        ("statistics", "--data", "demo-mnist"),
        ("evaluate", *SETS),
        ("sample", "--output", "x.png"),
    ],
)
def test_a_missing_run(call: Call, tmp_path: Path, command: tuple[str, ...]) -> None:
    sentence = call(*command, "--run", tmp_path / "nowhere").refusal()
    assert sentence.startswith(f"{tmp_path / 'nowhere'} is not a run folder: it holds no config.json")


def test_a_missing_general_run(call: Call, tmp_path: Path, copied: Hierarchy) -> None:
    sets = ("--in-distribution", copied.inside, "--out-of-distribution", copied.outside)
    outcome = call("evaluate", "--run", copied.specific, "--general", tmp_path / "nowhere", *sets)
    assert outcome.code == 2
    assert f"error: {tmp_path / 'nowhere'} is not a run folder" in outcome.err


def test_a_model_of_other_images_to_compare_with(call: Call, tmp_path: Path, copied: Hierarchy) -> None:
    """It is refused before anything is computed, and not by the checksums of what it would see."""
    grey = tmp_path / "grey"
    assert call("train", "--data", copied.wide, "--run", grey, "--grey", *SHORT, *TINY).code == 0
    sets = ("--in-distribution", copied.inside, "--out-of-distribution", copied.outside)
    for command in (
        ("evaluate", *sets, "--general", grey),
        ("evaluate", *sets, "--ensemble", grey),
        ("analyse", "ranks", "--data", copied.inside, "--others", grey),
        ("detect", "--images", copied.outside, "--output", tmp_path / "found.csv", "--general", grey),
    ):
        outcome = call(*command, "--run", copied.specific)
        assert f"error: {grey} is a model of images of 1x8x8 (channels, height, width)" in outcome.err
        assert f"{copied.specific} of 3x8x8, and their likelihoods cannot be compared" in outcome.err
        assert outcome.code == 2
    assert not (grey / "statistics").exists()


def test_a_general_run_that_moved(copied: Hierarchy, call: Call) -> None:
    config = json.loads((copied.specific / "config.json").read_text())
    config["origin"]["run"] = str(copied.folder / "moved")
    (copied.specific / "config.json").write_text(json.dumps(config))
    (copied.specific / "general" / "checkpoint.json").rename(copied.folder / "checkpoint.json")
    (copied.specific / "general" / "training_state.pt").unlink()
    (copied.specific / "general" / "previous").rmdir()
    sets = ("--in-distribution", copied.inside, "--out-of-distribution", copied.outside)
    sentence = call("evaluate", "--run", copied.specific, *sets).refusal()
    assert f"was {copied.folder / 'moved'}, which is not there any more: name it with --general" in sentence


@pytest.mark.parametrize("content", ['{"format_version": 1, "mod', "", "[]", '{"format_version": 99}'])
def test_a_damaged_configuration(copied: Hierarchy, call: Call, content: str) -> None:
    (copied.specific / "config.json").write_text(content)
    for command in (("sample", "--output", "x.png"), ("statistics", "--data", copied.inside)):
        assert str(copied.specific / "config.json") in call(*command, "--run", copied.specific).refusal()


def test_a_run_where_a_file_is(call: Call, tmp_path: Path, hierarchy: Hierarchy) -> None:
    (tmp_path / "file").write_text("in the way")
    command = ("train", "--data", hierarchy.wide, *SHORT, *TINY)
    assert str(tmp_path / "file") in call(*command, "--run", tmp_path / "file").refusal()
    assert str(tmp_path / "file") in call(*command, "--run", tmp_path / "file" / "run").refusal()
    assert (tmp_path / "file").read_text() == "in the way"


def test_a_training_state_that_would_run_code_is_refused_by_name(
    hierarchy: Hierarchy, call: Call, tmp_path: Path
) -> None:
    run, marker = tmp_path / "run", tmp_path / "executed"
    command = ("train", "--data", hierarchy.wide, "--run", run, *SHORT, *TINY)
    assert call(*command).code == 0
    torch.save(Trap(marker), run / "training_state.pt")
    manifest = json.loads((run / "checkpoint.json").read_text())
    manifest["sha256"]["training_state.pt"] = sha256_of_file(run / "training_state.pt")
    (run / "checkpoint.json").write_text(json.dumps(manifest))
    assert f"{run / 'training_state.pt'} is refused: it holds more than tensors" in call(*command).refusal()
    assert not marker.exists()


def test_a_pickle_for_weights_is_refused_by_name_and_not_executed(copied: Hierarchy, call: Call) -> None:
    for path in [*copied.general.glob("*.pt"), copied.general / "checkpoint.json"]:
        path.unlink()
    (copied.general / "previous").rmdir()
    marker = copied.folder / "executed"
    (copied.general / "model.safetensors").write_bytes(pickle.dumps(Trap(marker)))
    sentence = call("sample", "--run", copied.general, "--output", copied.folder / "x.png").refusal()
    assert sentence.startswith(f"{copied.general / 'model.safetensors'} is a pickle, not a safetensors file")
    assert not marker.exists()


# --- image sets --------------------------------------------------------------------------------


def truncated(folder: Path) -> str:
    spec = save_images(folder / "truncated.npy", 10)
    path = folder / "truncated.npy"
    path.write_bytes(path.read_bytes()[:-9])
    return spec


def of_floats(folder: Path) -> str:
    np.save(folder / "floats.npy", np.zeros((4, 8, 8, 3)))
    return f"array:{folder / 'floats.npy'}"


def of_four_channels(folder: Path) -> str:
    np.save(folder / "alpha.npy", np.zeros((4, 8, 8, 4), np.uint8))
    return f"array:{folder / 'alpha.npy'}"


def of_objects(folder: Path) -> str:
    np.save(folder / "objects.npy", np.array([Trap(folder / "executed")], dtype=object), allow_pickle=True)
    return f"array:{folder / 'objects.npy'}"


def not_an_array(folder: Path) -> str:
    (folder / "text.npy").write_text("no array")
    return f"array:{folder / 'text.npy'}"


def empty_folder(folder: Path) -> str:
    (folder / "empty").mkdir()
    return f"folder:{folder / 'empty'}"


def broken_pictures(folder: Path) -> str:
    save_picture(folder / "broken" / "one.png")
    content = (folder / "broken" / "one.png").read_bytes()
    (folder / "broken" / "one.png").write_bytes(content[:60])
    return f"folder:{folder / 'broken'}"


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda _: "array:/nowhere.npy", "/nowhere.npy"),
        (lambda _: "folder:/nowhere", "/nowhere"),
        (lambda _: "cifar11", "did you mean cifar10?"),
        (lambda _: "cifar10", "cifar10"),
        (truncated, "truncated"),
        (of_floats, "float64"),
        (of_four_channels, "(4, 8, 8, 4)"),
        (of_objects, "which are never read"),
        (not_an_array, "text.npy"),
        (empty_folder, "empty"),
        (broken_pictures, "broken"),
        (
            lambda folder: save_images(folder / "grey.npy", 5, channels=1),
            "grey images, but the model takes colour",
        ),
        (
            lambda folder: save_images(folder / "large.npy", 5, size=16),
            "16x16 pixels, but the model takes 8x8",
        ),
    ],
)
def test_an_image_set_that_cannot_be_used(
    hierarchy: Hierarchy, call: Call, tmp_path: Path, make: Callable[[Path], str], said: str
) -> None:
    spec = make(tmp_path)
    run, origin = tmp_path / "run", ("--base", hierarchy.general)
    sets = ("--in-distribution", spec, "--out-of-distribution", hierarchy.outside)
    for command in (
        ("statistics", "--run", hierarchy.general, "--data", spec),
        ("evaluate", "--run", hierarchy.specific, *sets),
        ("train", "--data", spec, "--run", run, *origin, *SHORT),
        ("train", "--data", hierarchy.wide, "--run", run, "--evaluate-on", spec, *SHORT, *TINY),
    ):
        assert said in call(*command).refusal()
    assert not run.exists()
    assert not (tmp_path / "executed").exists()


def test_a_side_that_cannot_be_halved_so_often(call: Call, tmp_path: Path) -> None:
    data = save_images(tmp_path / "odd.npy", 10, size=10)
    sentence = call("train", "--data", data, "--run", tmp_path / "run", *SHORT, *TINY).refusal()
    assert "10" in sentence
    assert "divisible" in sentence
    assert not (tmp_path / "run").exists()


def test_a_set_without_training_images(call: Call, tmp_path: Path) -> None:
    sentence = call("train", "--data", "demo-mnist", "--run", tmp_path / "run", *SHORT, *TINY).refusal()
    assert sentence.startswith("demo-mnist has test images only")


# --- options -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("option", "said"),
    [
        (("--batch-size", "0"), "batch_size must be at least 1, got 0"),
        (("--steps", "0"), "steps must be at least 1, got 0"),
        (("--epochs", "0"), "steps must be at least 1, got 0"),
        (("--epochs", "-2"), "steps must be at least 1"),
        (("--limit", "0"), "at least 1, got 0"),
        (("--seed", "-1"), "seed must be zero or more, got -1"),
        (("--learning-rate", "0"), "learning_rate must be positive, got 0.0"),
        (("--weight-decay", "-1"), "weight_decay must be zero or more"),
        (("--warmup-steps", "-1"), "warmup_steps must be zero or more"),
        (("--cooldown-fraction", "2"), "cooldown_fraction must be between 0 and 1"),
        (("--checkpoint-every", "0"), "checkpoint_every must be at least 1"),
        (("--evaluate-every", "0"), "evaluate_every must be at least 1"),
        (("--evaluate-limit", "0"), "a limit and a batch size of at least 1"),
        (("--log-every", "0"), "log_every must be at least 1"),
        (("--scales", "0"), "scales must be at least 1"),
        (("--mixing", "stirring"), "stirring"),
        (("--coupling", "chain"), "chain"),
        (("--device", "nonsense"), "Device 'nonsense' cannot be used here"),
        (("--image-size", "0"), "at least 1 pixel"),
    ],
)
def test_an_option_of_train_out_of_range(
    hierarchy: Hierarchy, call: Call, tmp_path: Path, option: tuple[str, str], said: str
) -> None:
    outcome = call("train", "--data", hierarchy.wide, "--run", tmp_path / "run", *TINY, *option)
    assert said in outcome.refusal()
    assert not (tmp_path / "run").exists()


def test_a_learning_rate_that_breaks_the_model(
    hierarchy: Hierarchy, call: Call, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = tmp_path / "run"
    steps = ("--steps", "60", "--batch-size", "8", "--checkpoint-every", "1", "--log-every", "1")
    rate = ("--learning-rate", "1e30", "--warmup-steps", "0")
    outcome = call("train", "--data", hierarchy.wide, "--run", run, *steps, *rate, *TINY)
    assert outcome.code == 2
    last = outcome.err.splitlines()[-1]
    assert "steps in a row had no finite gradient. Try a smaller learning rate (now 1e+30)" in last
    skipped = [json.loads(line).get("skipped") for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert max(filter(None, skipped)) == 19  # the twentieth stopped it
    checkpoint = newest_checkpoint(run)
    assert checkpoint is not None
    assert all(weight.isfinite().all() for weight in load_weights(run).values())
    assert not caplog.records  # they would be lines on the terminal besides that one
    sentence = call("sample", "--run", run, "--output", tmp_path / "x.png").refusal()
    assert sentence.startswith("The model cannot be inverted, so its training has diverged")


def test_no_data_to_train_on(hierarchy: Hierarchy, call: Call, tmp_path: Path) -> None:
    for origin in ((), ("--base", hierarchy.general)):
        outcome = call("train", "--run", tmp_path / "run", *origin)
        assert outcome.refusal() == "Say what to train on with --data NAME."


@pytest.mark.parametrize(
    ("option", "said"),
    [
        (("--limit", "0"), "at least 1, got 0"),
        (("--batch-size", "0"), "batch size must be at least 1, got 0"),
        (("--noise-draws", "-1"), "draws >= 0"),
        (("--noise-draws", "1", "--seed", "-1"), "seed >= 0"),
        (("--device", "nonsense"), "Device 'nonsense' cannot be used here"),
    ],
)
def test_an_option_of_a_computation_out_of_range(
    copied: Hierarchy, call: Call, option: tuple[str, ...], said: str
) -> None:
    before = files(copied.folder)
    assert said in call("statistics", "--run", copied.specific, "--data", copied.inside, *option).refusal()
    assert files(copied.folder) == before
