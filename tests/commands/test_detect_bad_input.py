"""`main.py detect` with calibration images that cannot calibrate, and other input that it refuses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.commands.calls import SHORT, TINY, Call, Hierarchy, save_images
from tests.commands.detections import command, pictures
from tests.invglow.data.examples import save_picture


def test_images_that_a_model_was_trained_on_do_not_calibrate(copied: Hierarchy, call: Call) -> None:
    train = ("--calibrate", copied.inside, "--calibrate-split", "train")
    sentence = call(*command(copied, *train)).refusal()
    assert sentence.startswith(f"{copied.specific} was trained on images of {copied.inside} (train)")
    assert "--calibrate" in sentence
    sentence = call(*command(copied, "--calibrate", copied.wide)).refusal()
    assert sentence.startswith(f"{copied.specific / 'general'} was trained on images of {copied.wide}")
    pixels = np.load(copied.folder / "data" / "inside" / "train.npy")
    np.save(copied.folder / "mixed.npy", np.concatenate([pixels, 255 - pixels]))
    sentence = call(*command(copied, "--calibrate", f"array:{copied.folder / 'mixed.npy'}")).refusal()
    assert sentence.startswith(f"{copied.specific} was trained on images of array:")


def test_a_set_without_splits_has_no_held_out_part(call: Call, tmp_path: Path, hierarchy: Hierarchy) -> None:
    data = pictures(tmp_path / "mine", 24)
    run = tmp_path / "run"
    assert call("train", "--data", data, "--run", run, "--image-size", "8", *SHORT, *TINY).code == 0
    detect = ("detect", "--run", run, "--images", hierarchy.outside, "--output", tmp_path / "scores.csv")
    assert f"{run} was trained on images of {data} (test)" in call(*detect).refusal()
    save_picture(tmp_path / "mine" / "000.png", size=(8, 8))  # other pixels, but still the training folder
    assert f"{run} was trained on images of {data} (test)" in call(*detect).refusal()


def test_a_run_whose_set_is_gone_asks_for_images(copied: Hierarchy, call: Call, tmp_path: Path) -> None:
    data = save_images(tmp_path / "own" / "train.npy", 20).removesuffix("/train.npy")
    assert call("train", "--data", data, "--run", tmp_path / "run", *SHORT, *TINY).code == 0
    detect = ("detect", "--run", tmp_path / "run", "--images", copied.outside)
    sentence = call(*detect, "--output", tmp_path / "scores.csv").refusal()
    assert sentence.startswith(f"Calibration needs images of {data} that {tmp_path / 'run'} was not trained")
    assert "name some with --calibrate" in sentence


@pytest.mark.parametrize("option", ["--false-positive-rate", "--false-discovery-rate"])
def test_too_few_calibration_images_are_refused_with_the_number_needed(
    hierarchy: Hierarchy, call: Call, tmp_path: Path, option: str
) -> None:
    output = ("--output", tmp_path / "scores.csv")
    detect = ("detect", "--run", hierarchy.specific, "--images", hierarchy.outside, *output, option)
    sentence = call(*detect, "0.01").refusal()
    assert "A rate of 0.01 needs 99 images that calibrate, 1/rate - 1, and so 197 in all" in sentence
    assert "has 50" in sentence
    assert "at least 1/26" in sentence
    sentence = call(*detect, "0.3", "--calibrate-limit", "19").refusal()
    assert sentence.startswith("Calibration needs at least 20 images")
    assert not (hierarchy.specific / "statistics").exists()


def test_images_cannot_judge_themselves(copied: Hierarchy, call: Call) -> None:
    assert "holds the very images that calibrate" in call(*command(copied, images=copied.inside)).refusal()


# --- bad input ----------------------------------------------------------------------------------


def a_folder(folder: Path) -> Path:
    (folder / "taken.csv").mkdir()
    return folder / "taken.csv"


@pytest.mark.parametrize(
    ("output", "said"),
    [
        (lambda folder: folder / "scores.txt", "--output must name a .csv file, got"),
        (lambda folder: folder / "nowhere" / "scores.csv", "nowhere, which is not a folder: make it"),
        (a_folder, "taken.csv is a folder"),
    ],
)
def test_an_output_that_cannot_be_written_is_refused_at_once(
    hierarchy: Hierarchy, call: Call, tmp_path: Path, output: Callable[[Path], Path], said: str
) -> None:
    detect = ("detect", "--run", hierarchy.specific, "--images", hierarchy.outside)
    assert said in call(*detect, "--output", output(tmp_path)).refusal()
    assert not (hierarchy.specific / "statistics").exists()


def test_a_folder_that_is_read_only_is_refused_at_once(
    hierarchy: Hierarchy, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_only(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.NamedTemporaryFile", read_only)
    detect = ("detect", "--run", hierarchy.specific, "--images", hierarchy.outside)
    sentence = call(*detect, "--output", tmp_path / "scores.csv").refusal()
    assert sentence.startswith(f"--output cannot be written into {tmp_path} (Permission denied)")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--false-positive-rate", "0"), "--false-positive-rate must be above 0 and below 1, got 0"),
        (("--false-positive-rate", "1"), "--false-positive-rate must be above 0 and below 1, got 1"),
        (("--false-positive-rate", "nan"), "got nan"),
        (("--false-discovery-rate", "-0.1"), "--false-discovery-rate must be above 0 and below 1, got -0.1"),
        (("--top", "0"), "--top must be between 1 and 1000, got 0"),
        (("--seed", "-1"), "--seed must be zero or more, got -1"),
        (("--sheet", "sheet.jpg"), "--sheet must name a .png file, got sheet.jpg"),
        (("--method", "typicallity"), "There is no method 'typicallity': did you mean typicality"),
        (("--method", "waic"), "Method waic needs an ensemble of runs, which detect does not take"),
        (("--general", "/nowhere"), "/nowhere is not a run folder"),
        (("--calibrate", "cifar11"), "There is no image set called 'cifar11'"),
        (("--limit", "0"), "at least 1, got 0"),
        (("--batch-size", "0"), "batch size must be at least 1"),
    ],
)
def test_options_that_cannot_be_right_are_refused(
    hierarchy: Hierarchy, call: Call, tmp_path: Path, options: tuple[str, ...], said: str
) -> None:
    detect = ("detect", "--run", hierarchy.specific, "--images", hierarchy.outside)
    assert said in call(*detect, "--output", tmp_path / "scores.csv", *options).refusal()
    assert not (hierarchy.specific / "statistics").exists()
    assert not list(tmp_path.iterdir())


def test_groups_are_not_offered(hierarchy: Hierarchy, call: Call) -> None:
    with pytest.raises(SystemExit) as exit_:
        call(*command(hierarchy, "--group-size", "2"))
    assert exit_.value.code == 2


def empty(folder: Path) -> str:
    (folder / "empty").mkdir()
    return f"folder:{folder / 'empty'}"


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (empty, "holds no pictures"),
        (lambda folder: f"folder:{folder / 'nowhere'}", "is not a folder"),
        (lambda folder: save_images(folder / "grey.npy", 5, channels=1), "grey images, but the model takes"),
        (lambda folder: save_images(folder / "large.npy", 5, size=16), "16x16 pixels, but the model takes"),
    ],
)
def test_images_that_cannot_be_judged_are_refused(
    hierarchy: Hierarchy, call: Call, tmp_path: Path, make: Callable[[Path], str], said: str
) -> None:
    detect = ("detect", "--run", hierarchy.specific, "--images", make(tmp_path))
    assert said in call(*detect, "--output", tmp_path / "scores.csv").refusal()


def test_a_run_that_is_none_is_refused(call: Call, tmp_path: Path) -> None:
    detect = ("detect", "--run", tmp_path / "nowhere", "--images", "demo-mnist")
    sentence = call(*detect, "--output", tmp_path / "scores.csv").refusal()
    assert sentence.startswith(f"{tmp_path / 'nowhere'} is not a run folder")
