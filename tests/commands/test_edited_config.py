"""A config.json that somebody has edited: every command that reads the run names the file and the key."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.commands.calls import SHORT, TINY, Call, Hierarchy, files

Edit = Callable[[dict[str, Any]], object]
Commands = dict[str, tuple[str | Path, ...]]


def commands(hierarchy: Hierarchy, run: Path) -> Commands:
    """Return every way of reading a run: its own, and as the run that another starts from."""
    sets = ("--in-distribution", hierarchy.inside, "--out-of-distribution", hierarchy.outside)
    other = ("--run", hierarchy.folder / "other", *SHORT)
    return {
        "statistics": ("statistics", "--run", run, "--data", hierarchy.inside),
        "evaluate": ("evaluate", "--run", run, *sets),
        "detect": (
            "detect",
            "--run",
            run,
            "--images",
            hierarchy.outside,
            "--output",
            hierarchy.folder / "x.csv",
        ),
        "sample": ("sample", "--run", run, "--output", hierarchy.folder / "x.png"),
        "base": ("train", "--base", run, "--data", hierarchy.inside, *other),
        "continue": ("train", "--continue", run, *other),
    }


def edit(run: Path, change: Edit) -> Path:
    path = run / "config.json"
    config = json.loads(path.read_text())
    change(config)
    path.write_text(json.dumps(config))
    return path


OF_DATA = ("statistics", "evaluate", "detect", "base", "continue")
READERS = (*OF_DATA, "sample")


@pytest.mark.parametrize(
    ("change", "said", "readers"),
    [
        (lambda c: c.pop("model"), 'lacks "model"', READERS),
        (lambda c: c.update(model=3), 'must hold an object as "model", got 3', READERS),
        (lambda c: c["model"].pop("family"), 'lacks "family" in "model"', READERS),
        (lambda c: c["model"].pop("settings"), 'lacks "settings" in "model"', READERS),
        (lambda c: c["model"].update(family=["glow"]), 'must hold a text as "family"', READERS),
        (lambda c: c["model"].update(family="glo"), "Unknown model family 'glo'", READERS),
        (
            lambda c: c["model"]["settings"].update(hidden_chanels=4),
            "Unknown setting 'hidden_chanels'; known are image_shape, scales",
            READERS,
        ),
        (lambda c: c["model"]["settings"].update(scales="2"), "'scales' must be int, got '2'", READERS),
        (lambda c: c["model"]["settings"].update(image_shape=8), "'image_shape' must be tuple", READERS),
        (lambda c: c["model"]["settings"].update(mixing="x"), "Unknown mixing 'x'", READERS),
        (lambda c: c.pop("data"), 'lacks "data"', OF_DATA),
        (
            lambda c: c["data"].pop("image_shape"),
            'lacks "image_shape" in "data"',
            OF_DATA,
        ),
        (
            lambda c: c["data"].update(image_shape=[3, 8]),
            'three positive whole numbers as "image_shape" in "data", got [3, 8]',
            OF_DATA,
        ),
        (
            lambda c: c["data"].update(grey="no"),
            'must hold true or false as "grey" in "data"',
            OF_DATA,
        ),
        (lambda c: c["data"].pop("sha256"), 'lacks "sha256" in "data"', ("detect", "base", "continue")),
        (lambda c: c["data"].pop("name"), 'lacks "name" in "data"', ("detect", "base", "continue")),
        (
            lambda c: c["data"].update(images="all"),
            'a whole number as "images"',
            ("detect", "base", "continue"),
        ),
    ],
)
def test_every_reader_of_the_run_names_the_file_and_the_key(
    copied: Hierarchy, call: Call, *, change: Edit, said: str, readers: tuple[str, ...]
) -> None:
    path = edit(copied.specific, change)
    before = files(copied.folder)
    for name in readers:
        sentence = call(*commands(copied, copied.specific)[name]).refusal()
        assert str(path) in sentence, name
        assert said in sentence, name
    assert files(copied.folder) == before


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda c: c.pop("origin"), 'lacks "origin"'),
        (lambda c: c.update(origin="general"), 'must hold an object as "origin"'),
        (lambda c: c["origin"].pop("relation"), 'lacks "relation" in "origin"'),
        (lambda c: c["origin"].pop("run"), 'lacks "run" in "origin"'),
        (lambda c: c["origin"].update(sha256=1), 'must hold a text as "sha256" in "origin", got 1'),
    ],
)
def test_evaluate_misses_where_the_run_comes_from(
    copied: Hierarchy, call: Call, change: Edit, said: str
) -> None:
    path = edit(copied.specific, change)
    (copied.specific / "general").rename(copied.folder / "away")
    sentence = call(*commands(copied, copied.specific)["evaluate"]).refusal()
    assert sentence.startswith(f"{path} ")
    assert said in sentence


def test_evaluate_misses_the_length_of_the_general_training(copied: Hierarchy, call: Call) -> None:
    path = edit(copied.specific / "general", lambda c: c["training"].pop("steps"))
    sentence = call(*commands(copied, copied.specific)["evaluate"]).refusal()
    assert sentence.startswith(f'{path} lacks "steps" in "training", a whole number')


@pytest.mark.parametrize("section", ["model", "data", "training"])
def test_training_does_not_go_on_without_a_section(
    hierarchy: Hierarchy, copied: Hierarchy, call: Call, section: str
) -> None:
    path = edit(copied.general, lambda c: c.pop(section))
    before = files(copied.folder)
    command = ("train", "--data", hierarchy.wide, "--run", copied.general, *SHORT, *TINY)
    sentence = call(*command).refusal()
    assert sentence.startswith(f'{path} lacks "{section}"')
    assert files(copied.folder) == before


def test_weights_of_another_size_are_named_by_their_first_tensor(copied: Hierarchy, call: Call) -> None:
    edit(copied.specific, lambda c: c["model"]["settings"].update(hidden_channels=8))
    sentence = call(*commands(copied, copied.specific)["sample"]).refusal()
    assert f"The weights in {copied.specific} do not fit its configuration: flow.scales" in sentence
    assert "more tensors do not fit" in sentence
    assert len(sentence) < 500


def test_a_run_that_does_not_know_its_images_needs_others_to_calibrate_on(
    copied: Hierarchy, call: Call
) -> None:
    for run in (copied.specific, copied.specific / "general"):
        edit(run, lambda c: c["data"].update(name=None, split=None, images=None, sha256=None))
    command = commands(copied, copied.specific)["detect"]
    assert "is not known, since it was imported: name images" in call(*command).refusal()
    assert call(*command, "--calibrate", copied.inside, "--false-positive-rate", "0.1").code == 0
