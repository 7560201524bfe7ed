"""`main.py preset`: the experiments as commands that can be copied, run in order, and not twice."""

from __future__ import annotations

import argparse
import functools
import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from commands import evaluate, sample, train
from commands.experiments import EXPERIMENTS
from commands.preset_parts import Choices, Command
from commands.preset_scales import SCALES
from commands.presets import build_preset
from invglow.checkpoints import read_config
from invglow.data import photos
from tests.commands.calls import Call, Hierarchy, newest_results

NAMES = [
    *("general", "cifar10", "cifar10-margin", "cifar10-class", "cifar10-labels"),
    *("svhn", "svhn-margin", "svhn-class", "svhn-labels"),
    *("cifar100", "cifar100-margin", "cifar100-class", "cifar100-labels"),
    *("fashion-mnist", "mnist", "cifar10-local", "svhn-local", "cifar10-dense", "svhn-dense", "brats"),
]
TINIEST = (
    "--steps",
    "2",
    "--steps-per-scale",
    "1",
    "--hidden-channels",
    "4",
    "--limit",
    "60",
    "--batch-size",
    "8",
)


def parsed(command: Command) -> argparse.Namespace:
    """Parse a command as main.py does; argparse exits where it cannot."""
    parser = argparse.ArgumentParser()
    subparsers = parser.add_subparsers(required=True)
    for module in (train, evaluate, sample):
        module.add_parser(subparsers)
    return parser.parse_args(list(command.words))


def commands_of(name: str, scale: str, **choices: Any) -> list[argparse.Namespace]:
    return [
        parsed(command) for command in build_preset(name, scale, Choices(Path("runs"), **choices)).commands
    ]


def table(run: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(newest_results(run).read_text())
    return found


@pytest.fixture
def few_photos(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Make few images of the embedded general set, in a data folder of the test's own."""
    monkeypatch.setattr(photos, "PhotoSettings", functools.partial(photos.PhotoSettings, train=30, test=5))
    monkeypatch.setenv("INVGLOW_DATA", str(tmp_path / "data"))


def test_every_experiment_of_the_paper_is_there() -> None:
    assert list(EXPERIMENTS) == NAMES


@pytest.mark.parametrize("scale", SCALES)
def test_every_command_of_every_preset_can_be_parsed(scale: str) -> None:
    for name in NAMES:
        assert commands_of(name, scale)


def test_the_papers_settings_are_in_the_papers_commands() -> None:
    general, specific, table_ = commands_of("cifar10-class", "paper")
    assert (general.data, general.scales, general.steps_per_scale, general.hidden_channels) == (
        "tiny",
        3,
        32,
        512,
    )
    for training in (general, specific):
        assert (training.learning_rate, training.weight_decay, training.batch_size) == (5e-4, 5e-5, 64)
    assert (specific.data, specific.base, specific.equal_training) == ("cifar10", general.run, False)
    losses = (specific.outlier_loss, specific.outlier_weight, specific.outlier_temperature)
    assert losses == ("class", 6000.0, 1000.0)
    assert (table_.run, table_.in_distribution) == (specific.run, "cifar10")
    assert table_.out_of_distribution == ["svhn", "cifar100", "lsun", "celeba", "tiny-imagenet"]


def test_variants_differ_in_what_they_are_about() -> None:
    _, margin, _ = commands_of("svhn-margin", "paper")
    _, labels, _ = commands_of("cifar100-labels", "paper")
    assert (margin.data, margin.outlier_loss, margin.labels) == ("svhn", "margin", False)
    assert (labels.data, labels.outlier_loss, labels.labels) == ("cifar100", None, True)
    local, _ = commands_of("cifar10-local", "paper")
    assert (local.architecture, local.patch_size, local.scales, local.steps_per_scale) == (
        "local",
        8,
        None,
        32,
    )
    dense, table_ = commands_of("svhn-dense", "dev")
    assert (dense.architecture, dense.steps_per_scale, dense.base) == ("dense", 8, None)
    assert table_.method == ["raw_likelihood", "typicality", "complexity_ratio"]
    grey_general, grey, _ = commands_of("fashion-mnist", "paper")
    assert grey_general.grey
    assert grey.grey
    assert grey_general.run != commands_of("cifar10", "paper")[0].run
    assert commands_of("brats", "paper")[1].data == "brats"
    (alone,) = commands_of("general", "paper")
    assert alone == commands_of("cifar10", "paper")[0]


def test_smaller_scales_train_the_general_model_on_and_need_no_other_sets() -> None:
    for scale in ("dev", "small"):
        _, specific, _ = commands_of("cifar10", scale)
        assert specific.equal_training is None  # the default: yes
    assert commands_of("cifar10", "dev")[-1].out_of_distribution == ["svhn"]
    sets = {spec for name in NAMES for spec, _ in build_preset(name, "small", Choices(Path())).sets}
    assert sets == {"general:photos", "demo-fashion-mnist", "demo-mnist"}


def test_sets_and_settings_can_be_chosen() -> None:
    general, specific, table_ = commands_of(
        "cifar10",
        "dev",
        general="array:g",
        inside="array:c",
        outside=["array:s", "array:t"],
        training={"steps": "7", "hidden-channels": "16"},
        both={"limit": "9", "seed": "3"},
    )
    assert (general.data, specific.data, table_.in_distribution) == ("array:g", "array:c", "array:c")
    assert table_.out_of_distribution == ["array:s", "array:t"]
    assert (general.steps, general.hidden_channels, specific.steps) == (7, 16, 7)
    assert {(command.limit, command.seed) for command in (general, specific, table_)} == {(9, 3)}
    _, epochs, _ = commands_of("cifar10", "paper", training={"steps": "7"})
    assert (epochs.steps, epochs.epochs) == (7, None)


def test_a_dry_run_prints_the_commands_and_does_nothing(call: Call, tmp_path: Path) -> None:
    outcome = call("preset", "svhn-class", "--dry-run", "--folder", tmp_path / "a b")
    assert outcome.code == 0
    expected = build_preset("svhn-class", "paper", Choices(tmp_path / "a b"))
    lines = [line.strip() for line in outcome.out.splitlines()[1:]]
    assert lines == [str(command) for command in expected.commands]
    assert shlex.split(lines[1])[:3] == ["python", "main.py", "train"]
    assert shlex.split(lines[1])[6] == str(tmp_path / "a b" / "svhn-class")
    assert "section 3.1" in outcome.out
    assert not (tmp_path / "a b").exists()


def test_the_list_teaches_all(call: Call) -> None:
    outcome = call("preset", "--list")
    assert outcome.code == 0
    assert all(f"\n  {name} " in outcome.out for name in (*NAMES, *SCALES))
    assert "python main.py preset NAME --scale SCALE --dry-run" in outcome.out


@pytest.mark.usefixtures("few_photos")
def test_each_kind_runs_at_small_scale_and_shares_its_general_model(call: Call, tmp_path: Path) -> None:
    """At this scale experiments on other sets are the same commands with other folders."""
    folder = tmp_path / "runs"
    kinds = ("brats", "cifar10-margin", "svhn-class", "cifar100-labels", "cifar10-local", "svhn-dense")
    for number, name in enumerate(kinds):
        outcome = call("preset", name, "--scale", "small", "--folder", folder, *TINIEST)
        assert outcome.code == 0, outcome.err
        assert {row["in_distribution"] for row in table(folder / name)} == {"demo-fashion-mnist"}
        assert {row["out_of_distribution"] for row in table(folder / name)} == {"demo-mnist"}
        if EXPERIMENTS[name].hierarchical:
            again = "All 2 steps were done before" in outcome.out
            assert again == (number > 0)
    assert {path.name for path in folder.iterdir()} == {"general-grey", *kinds}
    settings = {name: read_config(folder / name) for name in kinds}
    assert settings["svhn-class"]["origin"]["run"] == str((folder / "general-grey").resolve())
    assert settings["cifar10-local"]["model"]["settings"]["architecture"] == "local"
    assert settings["svhn-dense"]["model"]["settings"]["architecture"] == "dense"
    assert settings["cifar100-labels"]["model"]["settings"]["classes"] == 10


@pytest.mark.usefixtures("few_photos")
def test_what_is_finished_is_not_trained_again(call: Call, tmp_path: Path) -> None:
    command = ("preset", "fashion-mnist", "--scale", "small", "--folder", tmp_path / "runs", *TINIEST)
    assert call(*command).code == 0
    weights = tmp_path / "runs" / "fashion-mnist" / "model.safetensors"
    before = weights.stat().st_mtime_ns
    outcome = call(*command)
    assert outcome.code == 0
    assert outcome.out.count("All 2 steps were done before") == 3
    assert weights.stat().st_mtime_ns == before


def test_own_sets_run_at_dev_scale(call: Call, hierarchy: Hierarchy, tmp_path: Path) -> None:
    sets = ("--general", hierarchy.wide, "--data", hierarchy.inside, "--out", hierarchy.outside)
    outcome = call("preset", "cifar10", "--scale", "dev", "--folder", tmp_path, *sets, *TINIEST)
    assert outcome.code == 0, outcome.err
    assert {row["out_of_distribution"] for row in table(tmp_path / "cifar10")} == {hierarchy.outside}
    assert "[3/3] python main.py evaluate" in outcome.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "Name a preset, or see all of them with --list."),
        (("cifar11",), "There is no preset 'cifar11'; known are general, cifar10"),
        (
            ("svhn-local", "--general", "tiny"),
            "The preset svhn-local trains from scratch: leave --general out.",
        ),
        (("general", "--data", "cifar10"), "trains the general model alone: leave --data and --out out."),
    ],
)
def test_bad_input_is_one_sentence(call: Call, arguments: tuple[str, ...], said: str) -> None:
    assert said in call("preset", *arguments).refusal()


def test_a_missing_set_is_found_missing_before_any_training(
    call: Call, hierarchy: Hierarchy, tmp_path: Path
) -> None:
    sets = ("--general", hierarchy.wide, "--data", hierarchy.inside, "--out", "array:nowhere.npy")
    outcome = call("preset", "cifar10", "--scale", "dev", "--folder", tmp_path / "runs", *sets, *TINIEST)
    assert "was looked for at nowhere.npy" in outcome.refusal()
    assert not (tmp_path / "runs").exists()
