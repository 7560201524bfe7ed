"""Commands told from what was recorded are those that were given."""

from __future__ import annotations

import argparse
import shlex
from dataclasses import asdict
from typing import Any

import pytest

import main
from commands import train
from commands.repeating import evaluate_command, outline, seed_of, shell
from commands.repeating_training import train_command
from invglow.training.config import TrainingConfig


def config(**changes: Any) -> dict[str, Any]:
    """Return the configuration of a run from scratch, with other sections in the place of some."""
    plain = {
        "model": {"family": "glow", "settings": {"image_shape": [1, 16, 16], "scales": 2, "mixing": "lu"}},
        "data": {"name": "folder:my pictures", "images": 70, "image_shape": [1, 16, 16], "grey": True},
        "training": asdict(TrainingConfig(steps=30, learning_rate=0.002)),
        "origin": None,
        "outliers": None,
        "labels": None,
    }
    return {**plain, **changes}


def given(command: str, monkeypatch: pytest.MonkeyPatch) -> argparse.Namespace:
    """Return the arguments that a command of main.py train is taken to mean."""
    found: list[argparse.Namespace] = []

    def take(arguments: argparse.Namespace) -> int:
        found.append(arguments)
        return 0

    monkeypatch.setattr(train, "run", take)
    words = shlex.split(command.replace("\\\n", " "))
    assert words[:3] == ["python", "main.py", "train"]
    assert main.main(words[2:]) == 0
    return found[0]


def test_a_run_from_scratch(monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = given(train_command("a run", config()), monkeypatch)
    assert (arguments.data, arguments.run, arguments.limit) == ("folder:my pictures", "a run", 70)
    assert (arguments.grey, arguments.image_size, arguments.base) == (True, 16, None)
    assert (arguments.scales, arguments.mixing, arguments.model) == (2, "lu", None)
    assert (arguments.steps, arguments.learning_rate, arguments.no_augmentation) == (30, 0.002, False)
    assert (arguments.evaluate_every, arguments.checkpoint_every) == (None, 500)


def test_another_family(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {"image_shape": [1, 16, 16], "widths": [8, 16], "attention": True, "rate": 0.5, "other": None}
    model = {"family": "diffusion", "settings": settings}
    arguments = given(train_command("run", config(model=model)), monkeypatch)
    assert arguments.model == "diffusion"
    assert arguments.setting == ["widths=8,16", "attention=true", "rate=0.5"]


def test_losses_and_no_augmentation(monkeypatch: pytest.MonkeyPatch) -> None:
    origin = {"run": "/somewhere/general", "relation": "base", "step": 9, "sha256": "0"}
    outliers = {"name": "tiny", "sha256": "1", "loss": "class", "weight": 5.0, "temperature": 70.0}
    labels = {"classes": 10, "weight": 3.0, "temperature": 70.0, "sha256": "2"}
    training = asdict(TrainingConfig(steps=30, flip=False, max_shift=0.0))
    recorded = config(origin=origin, outliers=outliers, labels=labels, training=training)
    arguments = given(train_command("run", recorded), monkeypatch)
    assert (arguments.base, arguments.equal_training) == ("/somewhere/general", False)
    assert (arguments.outlier_loss, arguments.outlier_data) == ("class", "tiny")
    assert (arguments.outlier_weight, arguments.outlier_temperature) == (5, 70)
    assert (arguments.labels, arguments.label_weight, arguments.no_augmentation) == (True, 3, True)
    assert arguments.scales is None, "the model is that of the base"


def test_an_imported_run() -> None:
    command = train_command("run", config(imported={"from": "/x/model.th", "sha256": "0"}))
    assert command == "python main.py import /x/model.th --run run --image-size 16"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"training": {**config()["training"], "max_gradient_norm": 3.0}}, "max_gradient_norm = 3.0"),
        ({"training": {**config()["training"], "flip": True}}, r"\(flip, max_shift\) = \(True, None\)"),
        ({"training": {}}, "does not say how run was trained"),
        ({"training": []}, "does not say how run was trained"),
        ({"data": {**config()["data"], "name": None}}, "does not say how run was trained"),
        ({"origin": {"relation": []}}, "does not say how run was trained"),
        ({"model": {"family": "glow"}}, "does not say how run was trained"),
    ],
)
def test_what_no_command_does_is_refused(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        train_command("run", config(**changes))


def row(**changes: Any) -> dict[str, Any]:
    names = {"method": "typicality", "in_distribution": "mnist", "out_of_distribution": "svhn"}
    return {**names, "group_size": 1, "n_in": 10, "n_out": 20, "nonfinite": 0, **changes}


def test_a_command_is_only_told_if_it_gives_the_name() -> None:
    words = evaluate_command("run", [row()], "evaluation-mnist-svhn-first20-seed4", [])
    sets = ["evaluate", "--run", "run", "--in-distribution", "mnist", "--out-of-distribution", "svhn"]
    assert words == [*sets, "--limit", "20", "--seed", "4"]
    assert seed_of(words) == 4
    assert evaluate_command("run", [row()], "evaluation-mnist-svhn-first21", []) == []
    assert seed_of([]) == 0
    *_, last = evaluate_command("run", [row(nonfinite=3)], "evaluation-mnist-svhn", [])
    assert last == "anomalous"


def test_a_general_model_is_part_of_the_name() -> None:
    words = evaluate_command("run", [row()], "evaluation-mnist-svhn-against-base", [], "base")
    assert words[-2:] == ["--general", "base"]


def test_sets_that_look_like_options_or_commands_stay_names() -> None:
    assert evaluate_command("run", [row(in_distribution="--help")], "evaluation", []) == []
    assert evaluate_command("run", [row(in_distribution="--split")], "evaluation", []) == []
    line = outline("run", [row(out_of_distribution="x; rm -rf ~", group_size=5)])
    words = shlex.split(line.replace("\\\n", " "))
    assert "x; rm -rf ~" in words
    assert words[-2:] == ["--group-size", "5"]


def test_long_commands_have_a_line_for_each_option() -> None:
    words = ["train", "--data", "a set of a long name " * 3, "--run", "run"]
    lines = shell(words).splitlines()
    assert len(lines) == 3
    assert all(line.endswith(" \\") for line in lines[:-1])
    assert shlex.split(shell(words).replace("\\\n", " "))[2:] == words
