"""Runs: what they record, what they refuse to mix up, and which general model belongs to which."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from invglow.checkpoints import load_weights, newest_checkpoint, read_config, save_checkpoint, weights_sha256
from invglow.flows import GlowConfig
from models.registry import load_model
from models.runs import EQUALLY_TRAINED, Origin, general_run_of, train_run
from tests.invglow.training.toys import make_images
from tests.models.toys import CPU, TINY, make_plan, train


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(tmp_path_factory.mktemp("runs") / "base")


@pytest.fixture
def fine_tuned(base: Path, tmp_path: Path) -> Path:
    """A run fine-tuned from a copy of the base that tests may harm."""
    shutil.copytree(base, tmp_path / "base")
    return train(tmp_path / "tuned", Origin(tmp_path / "base", "base"), images=make_images(size=8, seed=5))


def same_weights(one: Path, other: Path) -> bool:
    pairs = zip(load_weights(one).items(), load_weights(other).items(), strict=True)
    return all(name == again and torch.equal(mine, its) for (name, mine), (again, its) in pairs)


def test_a_run_records_what_it_was_made_from(base: Path) -> None:
    config, images = read_config(base), make_images(size=8)
    assert config["model"]["family"] == "glow"
    assert GlowConfig(**config["model"]["settings"]) == GlowConfig(**TINY)
    assert config["training"]["steps"] == 3
    assert config["training"]["learning_rate"] == 5e-4
    assert config["data"] == {
        "name": "toys",
        "split": "train",
        "images": 20,
        "image_shape": [1, 8, 8],
        "grey": False,
        "sha256": images.sha256(),
    }
    assert config["origin"] is None
    assert {"invglow", "python", "torch", "numpy"} == set(config["versions"])


def test_the_seed_names_the_weights_and_nothing_outside_does(base: Path, tmp_path: Path) -> None:
    torch.manual_seed(99)
    before = torch.get_rng_state()
    train(tmp_path / "again")
    assert torch.equal(torch.get_rng_state(), before)
    assert same_weights(tmp_path / "again", base)
    train(tmp_path / "other", seed=1)
    assert not same_weights(tmp_path / "other", base)


def test_a_fresh_flow_is_initialised_from_its_images(tmp_path: Path) -> None:
    run = train(tmp_path / "dark", images=make_images(size=8, top=20), steps=1)
    (line,) = (run / "metrics.jsonl").read_text().splitlines()
    # Twenty equally likely values take 4.3 bits; a flow that expects a variance of one needs more than nine.
    assert json.loads(line)["bits_per_dim/batch"] < 5


def test_fine_tuning_starts_from_the_base_and_records_it(base: Path, tmp_path: Path) -> None:
    tuned = train(
        tmp_path / "tuned", Origin(base, "base"), images=make_images(size=8, seed=5), warmup_steps=1
    )
    assert read_config(tuned)["origin"] == {
        "run": str(base.resolve()),
        "relation": "base",
        "step": 3,
        "sha256": weights_sha256(base),
    }
    assert read_config(tuned)["model"] == read_config(base)["model"]
    distance = {name: (w - load_weights(base)[name]).abs().max() for name, w in load_weights(tuned).items()}
    assert 0 < max(distance.values()) < 0.01  # three steps at 5e-4 away, not a fresh model


def test_weights_handed_on_alone_can_be_fine_tuned(base: Path, tmp_path: Path) -> None:
    (tmp_path / "bare").mkdir()
    for name in ("config.json", "model.safetensors"):
        shutil.copy(base / name, tmp_path / "bare")
    tuned = train(tmp_path / "tuned", Origin(tmp_path / "bare", "base"))
    origin = read_config(tuned)["origin"]
    assert (origin["step"], origin["sha256"]) == (None, weights_sha256(base))
    assert general_run_of(tuned) == (tmp_path / "bare").resolve()


# --- going on ----------------------------------------------------------------------------------


def test_the_same_plan_again_trains_nothing(base: Path) -> None:
    before = (base / "model.safetensors").stat().st_mtime_ns
    assert train_run(make_plan(base), CPU).steps_before == 3
    assert (base / "model.safetensors").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("changes", "setting", "recorded", "asked"),
    [
        ({"steps": 4}, "training.steps", "3", "4"),
        ({"batch_size": 4}, "training.batch_size", "5", "4"),
        ({"learning_rate": 0.1}, "training.learning_rate", "0.0005", "0.1"),
        ({"seed": 1}, "training.seed", "0", "1"),
        ({"flip": False}, "training.flip", "None", "False"),
        ({"images": make_images(25, size=8)}, "data.images", "20", "25"),
        ({"images": make_images(size=8, name="others")}, "data.name", "toys", "others"),
        ({"images": make_images(size=8, seed=3)}, "data.sha256", "", ""),
        (
            {"model": {"family": "glow", "settings": {**TINY, "hidden_channels": 5}}},
            "model.settings",
            "4",
            "5",
        ),
    ],
)
def test_another_setting_is_refused_by_name_with_both_values(
    base: Path, changes: dict[str, Any], setting: str, recorded: str, asked: str
) -> None:
    pattern = f"holds a run with {re.escape(setting)} = .*{recorded}.*, asked for was .*{asked}.*--restart"
    with pytest.raises(ValueError, match=pattern):
        train_run(make_plan(base, **changes), CPU)


def test_another_origin_is_refused(base: Path, fine_tuned: Path) -> None:
    other = train(fine_tuned.parent / "other", seed=7)
    with pytest.raises(ValueError, match=r"holds a run with origin\.run = .*base, asked for was .*other"):
        train_run(make_plan(fine_tuned, Origin(other, "base"), images=make_images(size=8, seed=5)), CPU)
    with pytest.raises(ValueError, match=r"holds a run with origin = None, asked for was"):
        train_run(make_plan(base, Origin(other, "base")), CPU)


def test_a_base_may_have_been_moved(fine_tuned: Path) -> None:
    moved = (fine_tuned.parent / "base").rename(fine_tuned.parent / "moved")
    with pytest.raises(FileNotFoundError, match="not there any more"):
        general_run_of(fine_tuned)
    plan = make_plan(fine_tuned, Origin(moved, "base"), images=make_images(size=8, seed=5))
    assert train_run(plan, CPU).steps_before == 3
    assert general_run_of(fine_tuned) == moved


@pytest.mark.parametrize("changes", [{"evaluate_every": 2}, {"checkpoint_every": 1}, {"max_nonfinite": 3}])
def test_settings_that_change_no_weights_may_differ(base: Path, changes: dict[str, Any]) -> None:
    assert train_run(make_plan(base, **changes), CPU).steps_before == 3


# --- refused before anything is written --------------------------------------------------------


def test_images_that_do_not_fit_the_base_are_refused(base: Path, tmp_path: Path) -> None:
    for images, sentence in (
        (make_images(size=8, channels=3), "toys has colour images, but the model takes grey ones"),
        (make_images(size=16), "toys has images of 16x16 pixels, but the model takes 8x8"),
    ):
        with pytest.raises(ValueError, match=sentence):
            train(tmp_path / "run", Origin(base, "base"), images=images)
    assert not (tmp_path / "run").exists()


def test_a_run_needs_a_model_or_an_origin(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="needs a model or another run to start from"):
        train(tmp_path / "run", model=None)
    with pytest.raises(FileNotFoundError, match="is not a run folder"):
        train(tmp_path / "run", Origin(tmp_path / "nowhere", "base"))
    assert not (tmp_path / "run").exists()


# --- the general model -------------------------------------------------------------------------


def test_a_run_from_scratch_or_trained_on_has_no_general_model(base: Path, tmp_path: Path) -> None:
    assert general_run_of(base) is None
    assert general_run_of(train(tmp_path / "on", Origin(base, "continue"))) is None


def test_the_base_is_the_general_model(fine_tuned: Path) -> None:
    assert general_run_of(fine_tuned) == fine_tuned.parent / "base"


def test_the_equally_trained_general_model_comes_first(fine_tuned: Path) -> None:
    equal = train(fine_tuned / EQUALLY_TRAINED, Origin(fine_tuned.parent / "base", "continue"))
    assert general_run_of(fine_tuned) == equal
    shutil.rmtree(fine_tuned.parent / "base")
    assert general_run_of(fine_tuned) == equal


def test_one_that_is_not_trained_to_its_end_does_not(
    fine_tuned: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop_after_two(*arguments: Any) -> Any:
        if arguments[1] > 2:
            raise KeyboardInterrupt
        return save_checkpoint(*arguments)

    monkeypatch.setattr("invglow.training.trainer.save_checkpoint", stop_after_two)
    origin = Origin(fine_tuned.parent / "base", "continue")
    with pytest.raises(KeyboardInterrupt):
        train(fine_tuned / EQUALLY_TRAINED, origin, checkpoint_every=2)
    checkpoint = newest_checkpoint(fine_tuned / EQUALLY_TRAINED)
    assert checkpoint is not None
    assert checkpoint.step == 2
    assert general_run_of(fine_tuned) == origin.run


def test_a_base_that_moved_is_missed(fine_tuned: Path) -> None:
    old = fine_tuned.parent / "base"
    old.rename(fine_tuned.parent / "elsewhere")
    sentence = (
        f"The general run of {fine_tuned} was {old}, which is not there any more: name it with --general"
    )
    with pytest.raises(FileNotFoundError, match=re.escape(sentence)):
        general_run_of(fine_tuned)


def test_a_base_that_was_trained_anew_is_noticed(fine_tuned: Path) -> None:
    shutil.rmtree(fine_tuned.parent / "base")
    train(fine_tuned.parent / "base", seed=4)
    with pytest.raises(ValueError, match="whose weights have changed since: name with --general"):
        general_run_of(fine_tuned)


def test_training_shows_its_progress_when_asked_to(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train_run(make_plan(tmp_path / "quiet"), CPU)
    assert capsys.readouterr() == ("", "")
    train_run(make_plan(tmp_path / "shown"), CPU, progress=True)
    assert "shown: 100%" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"images": np.zeros((4, 8, 8, 1), np.uint8)}, "must be an ImageSet, .* but are a ndarray"),
        ({"model": GlowConfig((1, 8, 8), scales=1)}, "planned as .*, but got a GlowConfig"),
        ({"model": {"family": "glow"}}, "planned as .*, but got a dict"),
        (
            {"model": {"family": "glow", "settings": GlowConfig((1, 8, 8), scales=1)}},
            r"are a GlowConfig: call its to_json\(\)",
        ),
    ],
)
def test_a_plan_of_something_else_is_refused(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make_plan(tmp_path / "run", **changes)


def test_folders_and_devices_may_be_texts(tmp_path: Path) -> None:
    train_run(make_plan(str(tmp_path / "base")), "cpu")  # type: ignore[arg-type]
    base = Origin(str(tmp_path / "base"), "base")  # type: ignore[arg-type]
    train_run(make_plan(str(tmp_path / "run"), base), "cpu")  # type: ignore[arg-type]
    torch.testing.assert_close(
        load_model(str(tmp_path / "run")).state_dict(), load_model(tmp_path / "run", CPU).state_dict()
    )
