"""`main.py demo` at a scale of seconds: everything it makes, and that a second call makes nothing again."""

from __future__ import annotations

import csv
import functools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from commands import demo
from invglow.checkpoints import read_config
from invglow.data import photos, registry
from invglow.data.image_set import ImageSet
from models.glow import Glow
from tests.commands.calls import Call, files

TRAINED = ("general", "fashion-mnist", "fashion-mnist/general")


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make models, sets and trainings small; what is done with them stays the same."""
    size = {"steps_per_scale": 1, "hidden_channels": 4, "general_steps": 3, "specific_steps": 2}
    monkeypatch.setattr(demo, "DemoSettings", functools.partial(demo.DemoSettings, **size))
    monkeypatch.setattr(photos, "PhotoSettings", functools.partial(photos.PhotoSettings, train=70, test=5))
    load = registry.load_image_set

    def limited(*arguments: Any, **options: Any) -> ImageSet:
        images = load(*arguments, **options).limited(70)
        return replace(images, images=images.images.copy())

    monkeypatch.setattr(registry, "load_image_set", limited)


def test_it_makes_a_table_pictures_and_three_runs(tmp_path: Path, call: Call) -> None:
    folder = tmp_path / "demo"
    outcome = call("demo", "--run", folder)
    assert outcome.code == 0
    rows = json.loads((folder / "evaluation.json").read_text())
    methods = {row["method"] for row in rows}
    assert {"raw_likelihood", "likelihood_ratio", "last_scale", "last_scale_ratio", "typicality"} <= methods
    assert {(row["in_distribution"], row["out_of_distribution"]) for row in rows} == {
        (demo.INSIDE, demo.OUTSIDE)
    }
    assert {row["general_model"] for row in rows} == {"", "fashion-mnist/general"}
    with (folder / "evaluation.csv").open() as file:
        assert [row["method"] for row in csv.DictReader(file)] == [row["method"] for row in rows]
    assert all(f"\n{method} " in outcome.out for method in methods)
    pictures = [
        Path(line.removeprefix("Picture: ")) for line in outcome.out.splitlines() if "Picture: " in line
    ]
    assert len(pictures) >= 3
    for path in pictures:
        assert path.parent == folder
        if path.suffix == ".png":
            with Image.open(path) as image:
                image.load()
                assert min(image.size) > 100
        else:
            assert path.stat().st_size > 1000
    for run in TRAINED:
        assert (folder / run / "model.safetensors").is_file()


def test_a_second_call_trains_and_computes_nothing(
    tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "demo"
    first = call("demo", "--run", folder)

    def asked(*_: object) -> None:
        raise AssertionError("the model was asked again")

    monkeypatch.setattr(Glow, "scale_terms", asked)
    before = [(folder / run / "model.safetensors").stat().st_mtime_ns for run in TRAINED]
    second = call("demo", "--run", folder)
    assert (first.code, second.code) == (0, 0)
    assert [(folder / run / "model.safetensors").stat().st_mtime_ns for run in TRAINED] == before
    assert second.out.partition("Took ")[0] == first.out.partition("Took ")[0]


def test_other_settings_are_refused_and_restart_starts_over(
    tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "evaluate_run", interrupted)  # what matters here is over by then
    folder = tmp_path / "demo"
    assert call("demo", "--run", folder).code == 130
    (folder / "notes.txt").write_text("mine")
    before = files(folder)
    outcome = call("demo", "--run", folder, "--seed", "1")
    assert outcome.code == 2
    assert "holds a run with training.seed = 0, asked for was 1" in outcome.err
    assert "or start over with --restart." in outcome.err
    assert files(folder) == before
    assert call("demo", "--run", folder, "--seed", "1", "--restart").code == 130
    for run in TRAINED:
        assert read_config(folder / run)["training"]["seed"] == 1
        assert (folder / run / "model.safetensors").read_bytes() != before[folder / run / "model.safetensors"]
    assert (folder / "notes.txt").read_text() == "mine"


def test_restart_deletes_nothing_where_something_else_than_a_run_is(tmp_path: Path, call: Call) -> None:
    folder = tmp_path / "demo"
    (folder / "fashion-mnist").mkdir(parents=True)
    (folder / "fashion-mnist" / "photo.jpg").write_text("precious")
    (folder / "general").mkdir()
    (folder / "general" / "config.json").write_text('{"format_version": 1}')
    before = files(folder)
    outcome = call("demo", "--run", folder, "--restart")
    assert f"error: {folder / 'fashion-mnist'} is not a run folder" in outcome.err
    assert outcome.code == 2
    assert files(folder) == before


def test_it_goes_on_after_an_interruption(
    tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(demo, "evaluate_run", interrupted)
        assert call("demo", "--run", tmp_path / "demo").code == 130
    before = [(tmp_path / "demo" / run / "model.safetensors").stat().st_mtime_ns for run in TRAINED]
    assert call("demo", "--run", tmp_path / "demo").code == 0
    assert [(tmp_path / "demo" / run / "model.safetensors").stat().st_mtime_ns for run in TRAINED] == before


def interrupted(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_it_is_kept_in_the_runs_folder_by_default(
    tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INVGLOW_RUNS", str(tmp_path / "runs"))
    assert call("demo").code == 0
    assert (tmp_path / "runs" / "demo" / "evaluation.json").is_file()
