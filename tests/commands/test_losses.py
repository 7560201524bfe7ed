"""`main.py train` with an outlier loss or with labels, and what other commands do with such runs."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import Tensor

from anomaly_methods.statistics import Statistics
from invglow.checkpoints import load_weights, read_config
from invglow.training.step import StepResult, TrainingStep
from tests.commands.calls import SHORT, TINY, Call, Hierarchy, save_images


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return a set of three classes, as an argument: dark, grey and bright images."""
    folder = tmp_path_factory.mktemp("labelled")
    for split, count in (("train", 60), ("test", 12)):
        rng, labels = np.random.default_rng(count), np.arange(count) % 3
        pixels = rng.integers(0, 60, (count, 8, 8, 3)) + 90 * labels[:, None, None, None]
        np.save(folder / f"{split}.npy", pixels.astype(np.uint8))
        np.save(folder / f"{split}_labels.npy", labels)
    return f"array:{folder}"


def fine_tune(hierarchy: Hierarchy, run: Path, *more: str | Path, data: str = "") -> tuple[str | Path, ...]:
    base = ("--base", hierarchy.general, "--no-equal-training")
    return ("train", "--data", data or hierarchy.inside, "--run", run, *base, *SHORT, *more)


def lines_of(run: Path) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name != "images_per_second"} for line in found]


# --- outlier loss -----------------------------------------------------------------------------------


def test_an_outlier_loss_takes_the_general_set_of_the_base(
    hierarchy: Hierarchy, tmp_path: Path, call: Call
) -> None:
    run = tmp_path / "run"
    assert call(*fine_tune(hierarchy, run, "--outlier-loss", "class")).code == 0
    recorded, general = read_config(run)["outliers"], read_config(hierarchy.general)["data"]
    assert recorded == {**general, "loss": "class", "weight": 6000.0, "temperature": 1000.0}
    losses = [line for line in lines_of(run) if "loss" in line]
    for line in losses:
        assert line["loss"] == pytest.approx(line["loss/likelihood"] + line["loss/outlier"])
    assert losses[0]["loss/outlier"] == pytest.approx(6000 * np.log(2), rel=1e-3)  # both models are the same
    assert [line["left_out"] for line in losses] == [0] * 4
    assert "auroc" not in losses[0]


def test_another_general_set_can_be_named_and_the_margin_has_no_temperature(
    hierarchy: Hierarchy, tmp_path: Path, call: Call
) -> None:
    run, margin = tmp_path / "run", ("--outlier-loss", "margin", "--outlier-weight", "3")
    assert call(*fine_tune(hierarchy, run, *margin, "--outlier-data", hierarchy.outside)).code == 0
    recorded = read_config(run)["outliers"]
    assert recorded["name"] == hierarchy.outside
    assert (recorded["loss"], recorded["weight"], recorded["temperature"]) == ("margin", 3.0, None)


def test_the_outlier_loss_falls(hierarchy: Hierarchy, tmp_path: Path, call: Call) -> None:
    length = ("--steps", "30", "--batch-size", "8", "--log-every", "1", "--warmup-steps", "5")
    against = ("--outlier-loss", "class", "--outlier-temperature", "100", "--learning-rate", "0.02")
    base = ("--base", hierarchy.general, "--no-equal-training")
    command = ("train", "--data", hierarchy.inside, "--run", tmp_path / "run", *base, *length, *against)
    assert call(*command).code == 0
    found = [line["loss/outlier"] for line in lines_of(tmp_path / "run") if "loss" in line]
    assert sum(found[-5:]) < 0.5 * sum(found[:5])


def test_the_general_model_that_is_evaluated_with_is_the_equally_trained_one(
    hierarchy: Hierarchy, tmp_path: Path, call: Call
) -> None:
    run = tmp_path / "run"
    base = ("--base", hierarchy.general)
    command = ("train", "--data", hierarchy.inside, "--run", run, *base, *SHORT, "--outlier-loss", "class")
    assert call(*command).code == 0
    equal = read_config(run / "general")
    assert (equal["outliers"], equal["training"]["steps"]) == (None, 4)
    sets = ("--in-distribution", hierarchy.inside, "--out-of-distribution", hierarchy.outside)
    outcome = call("evaluate", "--run", run, *sets, "--method", "likelihood_ratio")
    assert outcome.code == 0
    assert len(list((run / "general" / "statistics").glob("*.npz"))) == 2


def test_on_the_embedded_sets(tmp_path: Path, call: Call) -> None:
    base, run = tmp_path / "base", tmp_path / "run"
    few = ("--limit", "100", "--evaluate-limit", "4", *SHORT)
    assert call("train", "--data", "general:photos", "--grey", "--run", base, *few, *TINY).code == 0
    losses = ("--base", base, "--outlier-loss", "class", "--labels")
    assert call("train", "--data", "demo-fashion-mnist", "--run", run, *losses, *few).code == 0
    assert {"accuracy/train", "accuracy/test"} < set(lines_of(run)[-1])
    assert read_config(run)["outliers"]["name"] == "general:photos"
    assert read_config(run)["labels"]["classes"] == 10
    sets = ("--in-distribution", "demo-fashion-mnist", "--out-of-distribution", "demo-mnist", "--limit", "20")
    outcome = call("evaluate", "--run", run, *sets, "--method", "likelihood_ratio", "last_scale")
    assert outcome.code == 0


def test_images_left_out_are_said(
    hierarchy: Hierarchy, tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    def all_but_three(model: Any, x: Tensor) -> Tensor:
        values = log_prob(model, x)
        if not model.training:  # the general model
            values[:3] = np.nan
        return values

    from models.glow import Glow

    log_prob = Glow.log_prob
    with monkeypatch.context() as patch:
        patch.setattr(Glow, "log_prob", all_but_three)
        outcome = call(*fine_tune(hierarchy, tmp_path / "run", "--outlier-loss", "class"))
    assert outcome.code == 0
    assert "; 12 images left out of losses (no finite log p). Files: " in outcome.out
    assert lines_of(tmp_path / "run")[-2]["left_out"] == 12


# --- labels -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def classes(hierarchy: Hierarchy, labelled: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train a run with labels; nobody may change it."""
    import main

    run = tmp_path_factory.mktemp("classes") / "classes"
    length = ("--steps", "40", "--warmup-steps", "5", "--learning-rate", "0.03", "--batch-size", "12")
    base = ("--base", str(hierarchy.general), "--no-equal-training", "--no-augmentation")
    watch = ("--evaluate-on", hierarchy.inside)
    command = ("train", "--data", labelled, "--run", str(run), *base, *length, *watch, "--labels")
    assert main.main(list(command)) == 0
    return run


def test_a_run_with_labels_tells_its_classes_apart(classes: Path) -> None:
    last = lines_of(classes)[-1]
    assert min(last["accuracy/train"], last["accuracy/test"]) > 0.7  # a third is chance
    assert [name for name in last if name.startswith("accuracy")] == ["accuracy/train", "accuracy/test"]
    recorded = read_config(classes)
    assert recorded["model"]["settings"]["classes"] == 3
    assert recorded["labels"]["weight"] == 500.0  # two wrong classes


def test_statistics_have_the_classes_and_say_the_accuracy(
    classes: Path, labelled: str, hierarchy: Hierarchy, call: Call
) -> None:
    kinds = ("--statistics", "classes", "likelihood", "gradients")
    outcome = call("statistics", "--run", classes, "--data", labelled, *kinds)
    assert outcome.code == 0
    assert ": 12 images, 3 classes, " in outcome.out
    found = {kind: Statistics.load(next((classes / "statistics").glob(f"*{kind}.npz"))) for kind in kinds[1:]}
    values = np.stack([found["classes"].value(f"log_prob.class{y}") for y in range(3)], axis=1)
    right = np.mean(values.argmax(axis=1) == np.arange(12) % 3)
    said = f"accuracy {right:.4f}: share of images whose label has the highest log p(x|y)\n"
    assert said in outcome.out
    assert right == lines_of(classes)[-1]["accuracy/test"]
    mixture = np.logaddexp.reduce(values, axis=1) - np.log(3)
    np.testing.assert_allclose(found["likelihood"].value("log_prob"), mixture, rtol=1e-5)
    shares = sum(found["likelihood"].value(f"log_prob.scale{s}") for s in (0, 1))
    np.testing.assert_allclose(shares, mixture, rtol=1e-5)
    unlabelled = call("statistics", "--run", classes, "--data", hierarchy.outside, "--statistics", "classes")
    assert f"no accuracy, since {hierarchy.outside} (test) has no labels" in unlabelled.out


def test_an_accuracy_on_another_set_or_of_groups_says_so(
    classes: Path, labelled: str, tmp_path: Path, call: Call
) -> None:
    command = ("statistics", "--run", classes, "--statistics", "classes", "--data")
    other = save_images(tmp_path / "other.npy", 4)
    for labels, sentence in (
        ([0, 1, 2, 0], f"log p(x|y), if labels mean the same as those of {labelled}\n"),
        ([0, 1, 2, 3], "no accuracy, since labels go from 0 to 3 and classes from 0 to 2"),
    ):
        np.save(tmp_path / "other_labels.npy", np.array(labels))
        assert sentence in call(*command, other).out
    assert (
        "no accuracy, since images are judged in groups" in call(*command, labelled, "--group-size", "2").out
    )


def test_statistics_of_classes_need_a_run_that_has_them(hierarchy: Hierarchy, call: Call) -> None:
    command = ("statistics", "--run", hierarchy.general, "--data", hierarchy.wide, "--statistics", "classes")
    assert "Glow has no classes: train it with labels (--labels)" in call(*command).refusal()


def test_a_class_can_be_drawn(classes: Path, hierarchy: Hierarchy, tmp_path: Path, call: Call) -> None:
    from PIL import Image

    brightness = []
    for label in ("0", "2"):
        path = tmp_path / f"{label}.png"
        draw = ("sample", "--run", classes, "--n", "8", "--temperature", "0.3", "--output", path)
        assert call(*draw, "--label", label).code == 0
        with Image.open(path) as image:
            brightness.append(np.asarray(image).mean())
    assert brightness[0] < brightness[1]
    two = ("sample", "--n", "2", "--output", tmp_path / "x.png", "--run")
    assert "from 0 to 2, got some from 3 to 3" in call(*two, classes, "--label", "3").refusal()
    refusal = call(*two, hierarchy.general, "--label", "0").refusal()
    assert "--label is for runs that were trained with --labels" in refusal
    assert call(*two, classes).code == 0


def test_a_run_with_classes_is_evaluated_and_trained_on_like_any(
    classes: Path, labelled: str, hierarchy: Hierarchy, tmp_path: Path, call: Call
) -> None:
    sets = ("--in-distribution", labelled, "--out-of-distribution", hierarchy.outside)
    assert "last_scale_ratio" in call("evaluate", "--run", classes, *sets).out
    assert call("train", "--continue", classes, "--run", tmp_path / "on", *SHORT).code == 0
    assert not any(name.startswith("accuracy") for name in lines_of(tmp_path / "on")[-1])
    again = ("--base", classes, "--no-equal-training", "--labels")
    assert call("train", "--data", labelled, "--run", tmp_path / "again", *again, *SHORT).code == 0


# --- interrupted ------------------------------------------------------------------------------------


def test_interrupted_with_both_losses_it_ends_with_the_same_bits(
    hierarchy: Hierarchy, labelled: str, tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(step: TrainingStep, number: int, images: Tensor) -> StepResult:
        if number == 3:
            raise KeyboardInterrupt
        return do_step(step, number, images)

    def command(run: Path) -> tuple[str | Path, ...]:
        losses = ("--outlier-loss", "class", "--labels", "--checkpoint-every", "2")
        return fine_tune(hierarchy, run, *losses, data=labelled)

    do_step = TrainingStep.__call__
    with monkeypatch.context() as patch:
        patch.setattr(TrainingStep, "__call__", interrupted)
        assert call(*command(tmp_path / "killed")).code == 130
    outcome = call(*command(tmp_path / "killed"))
    assert outcome.code == call(*command(tmp_path / "whole")).code == 0
    killed, whole = (load_weights(tmp_path / name) for name in ("killed", "whole"))
    assert all(killed[name].equal(whole[name]) for name in whole)
    assert lines_of(tmp_path / "killed") == lines_of(tmp_path / "whole")
    change = call(*command(tmp_path / "killed"), "--outlier-weight", "5")
    assert "holds a run with outliers.weight = 6000.0, asked for was 5.0" in change.refusal()


# --- bad input --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            ("--outlier-loss", "class"),
            "--outlier-loss needs a general model to compare with: name it with --base",
        ),
        (("--labels",), "--labels needs a general model to compare with: name it with --base RUN."),
        (("--outlier-data", "svhn"), "--outlier-data needs --outlier-loss: leave it out."),
        (("--outlier-weight", "3"), "--outlier-weight needs --outlier-loss: leave it out."),
        (
            ("--outlier-temperature", "3"),
            "--outlier-temperature needs --outlier-loss or --labels: leave it out.",
        ),
        (("--label-weight", "3"), "--label-weight needs --labels: leave it out."),
    ],
)
def test_options_that_lack_another_are_refused(
    hierarchy: Hierarchy, tmp_path: Path, call: Call, *, options: tuple[str, ...], sentence: str
) -> None:
    command = ("train", "--data", hierarchy.inside, "--run", tmp_path / "run", *SHORT, *TINY)
    assert sentence in call(*command, *options).refusal()
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            ("--outlier-loss", "margin", "--outlier-temperature", "9"),
            "is for --outlier-loss class or --labels",
        ),
        (
            ("--outlier-loss", "class", "--outlier-weight", "0"),
            "weight of the outlier loss must be a positive",
        ),
        (
            ("--outlier-loss", "class", "--outlier-temperature", "-1"),
            "temperature of the outlier loss must be",
        ),
        (("--outlier-loss", "class", "--outlier-data", "array:/nowhere.npy"), "/nowhere.npy"),
        (("--labels",), "(train) has no labels to learn from"),
        (("--labels", "--label-weight", "nan"), "(train) has no labels to learn from"),
    ],
)
def test_losses_that_cannot_be_are_refused(
    hierarchy: Hierarchy, tmp_path: Path, call: Call, *, options: tuple[str, ...], sentence: str
) -> None:
    assert sentence in call(*fine_tune(hierarchy, tmp_path / "run", *options)).refusal()
    assert not (tmp_path / "run").exists()


def test_a_general_set_that_is_gone_is_missed(hierarchy: Hierarchy, tmp_path: Path, call: Call) -> None:
    own = save_images(tmp_path / "own.npy", 12)
    assert call("train", "--data", own, "--run", tmp_path / "base", *SHORT, *TINY).code == 0
    (tmp_path / "own.npy").unlink()
    base = ("--base", tmp_path / "base", "--no-equal-training", "--outlier-loss", "class")
    command = ("train", "--data", hierarchy.inside, "--run", tmp_path / "run", *base, *SHORT)
    sentence = call(*command).refusal()
    assert "An outlier loss without a general set: " in sentence
    assert "name another set with --outlier-data" in sentence
    assert call(*command, "--outlier-data", hierarchy.wide).code == 0


@pytest.mark.parametrize(("size", "channels"), [(16, 3), (8, 1)])
def test_a_general_set_of_another_shape_is_refused(
    hierarchy: Hierarchy, tmp_path: Path, call: Call, size: int, channels: int
) -> None:
    other = save_images(tmp_path / "other.npy", 12, size=size, channels=channels)
    command = fine_tune(hierarchy, tmp_path / "run", "--outlier-loss", "class", "--outlier-data", other)
    assert re.search(r"other.npy has .*images.*, but the model takes ", call(*command).refusal())


def test_a_general_model_of_another_image_shape_is_refused(
    hierarchy: Hierarchy, tmp_path: Path, call: Call
) -> None:
    other = save_images(tmp_path / "other.npy", 12, size=16)
    command = fine_tune(hierarchy, tmp_path / "run", "--outlier-loss", "class", data=other)
    assert "has images of 16x16 pixels, but the model takes 8x8" in call(*command).refusal()


@pytest.mark.parametrize(
    ("train", "test", "sentence"),
    [
        ([0, 1, 3, 1], [0], "go up to 3, but none of its 4 images has label 2"),
        ([0, -1, 1, 1], [0], "must be 0 or more, got -1"),
        ([0, 1, 1, 0], [2], "(test) go from 2 to 2, but those to learn from 0 to 1"),
        ([0, 1, 1], [0], "train_labels.npy should hold 4 whole numbers"),
    ],
)
def test_labels_out_of_range_are_refused(
    hierarchy: Hierarchy, tmp_path: Path, call: Call, *, train: list[int], test: list[int], sentence: str
) -> None:
    data = tmp_path / "data"
    save_images(data / "train.npy", 4)
    save_images(data / "test.npy", 1)
    np.save(data / "train_labels.npy", np.array(train))
    np.save(data / "test_labels.npy", np.array(test))
    command = fine_tune(hierarchy, tmp_path / "run", "--labels", data=f"array:{data}")
    assert sentence in call(*command).refusal()
    assert not (tmp_path / "run").exists()
