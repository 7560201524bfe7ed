"""`main.py import`: a published checkpoint becomes a run like any other, or nothing is left of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from anomaly_methods.statistics import Statistics
from invglow.checkpoints import read_config
from invglow.data.preprocessing import dequantize
from invglow.files import sha256_of_file
from models.glow import Glow
from models.registry import load_model
from tests.commands.calls import SHORT, Call, Hierarchy, files, save_images
from tests.invglow.legacy.examples import model, save
from tests.invglow.legacy.hostile import called, old_file

KINDS = ["affine", "dense", "local", "folder"]


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """Return a checkpoint as the first paper published it."""
    return save(tmp_path, "affine")


@pytest.fixture
def run(published: Path, tmp_path: Path, call: Call) -> Path:
    """Return the run that it was imported as."""
    assert call("import", published, "--run", tmp_path / "imported").code == 0
    return tmp_path / "imported"


def arguments(name: str) -> tuple[str, ...]:
    return ("--image-size", "8") if name == "local" else ()


def test_it_writes_a_run_and_says_what_and_where(published: Path, tmp_path: Path, call: Call) -> None:
    run = tmp_path / "runs" / "imported"
    outcome = call("import", published, "--run", run)
    assert outcome.code == 0
    assert "convolutional Glow" in outcome.out
    assert "colour images of 8x8" in outcome.out
    assert f"Files: {run}\nNext: python main.py statistics --run {run} --data NAME\n" in outcome.out
    assert {path.name for path in run.iterdir()} == {
        *("config.json", "checkpoint.json", "model.safetensors", "training_state.pt", "previous")
    }
    assert [path.name for path in run.parent.iterdir()] == ["imported"]
    config = read_config(run)
    assert config["imported"]["from"] == str(published)
    assert config["imported"]["sha256"] == sha256_of_file(published)
    assert config["imported"]["format"] == "pickled modules (Schirrmeister et al., 2020)"
    assert config["data"]["name"] is None


@pytest.mark.parametrize("name", KINDS)
def test_the_run_has_the_likelihoods_of_the_model(
    name: str, hierarchy: Hierarchy, tmp_path: Path, call: Call
) -> None:
    run = tmp_path / "imported"
    assert call("import", save(tmp_path, name), "--run", run, *arguments(name)).code == 0
    assert call("statistics", "--run", run, "--data", hierarchy.outside).code == 0
    (path,) = (run / "statistics").glob("*.npz")
    images = torch.from_numpy(np.load(hierarchy.outside.removeprefix("array:"))).permute(0, 3, 1, 2)
    expected = model(name)[0].log_prob(dequantize(images)).detach()
    found = torch.tensor(Statistics.load(path).value("log_prob"))
    torch.testing.assert_close(found.float(), expected, rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize("name", KINDS)
def test_the_run_does_what_any_run_does(name: str, hierarchy: Hierarchy, tmp_path: Path, call: Call) -> None:
    run, specific = tmp_path / "imported", tmp_path / "specific"
    assert call("import", save(tmp_path, name), "--run", run, *arguments(name)).code == 0
    assert call("sample", "--run", run, "--n", "2", "--output", tmp_path / "samples.png").code == 0
    gradients = ("--statistics", "gradients", "--limit", "4")
    assert call("statistics", "--run", run, "--data", hierarchy.outside, *gradients).code == 0
    base = ("--base", run, "--no-equal-training")
    assert call("train", "--data", hierarchy.inside, "--run", specific, *base, *SHORT).code == 0
    sets = ("--in-distribution", hierarchy.inside, "--out-of-distribution", hierarchy.outside)
    outcome = call("evaluate", "--run", specific, *sets)
    assert "likelihood_ratio" in outcome.out
    assert "raw_likelihood" in call("evaluate", "--run", run, *sets).out


def test_classes_are_imported_too(tmp_path: Path, hierarchy: Hierarchy, call: Call) -> None:
    run = tmp_path / "imported"
    outcome = call("import", save(tmp_path, "classes"), "--run", run)
    assert "of 3 classes" in outcome.out
    assert call("statistics", "--run", run, "--data", hierarchy.outside).code == 0
    assert call("sample", "--run", run, "--n", "2", "--output", tmp_path / "samples.png").code == 0
    labelled = save_images(tmp_path / "labelled.npy", 3)
    np.save(tmp_path / "labelled_labels.npy", np.array([0, 1, 2]))
    said = call("statistics", "--run", run, "--data", labelled, "--statistics", "classes").out
    assert "highest log p(x|y), if labels mean the same as in its training\n" in said


def test_an_imported_general_model_is_trained_on_beside_the_specific_one(
    run: Path, hierarchy: Hierarchy, tmp_path: Path, call: Call
) -> None:
    """Its own images are not known, so they are named, in a folder where `evaluate` looks for it."""
    specific = tmp_path / "specific"
    train = ("train", "--data", hierarchy.inside, "--run", specific, "--base", run)
    assert "its images are missing (What" in call(*train, *SHORT).refusal()
    assert not specific.exists()
    assert call(*train, *SHORT, "--no-equal-training").code == 0
    general = ("--run", specific / "general", "--continue", run, "--data", hierarchy.wide)
    assert call("train", *general, *SHORT).code == 0
    sets = ("--in-distribution", hierarchy.inside, "--out-of-distribution", hierarchy.outside)
    assert "was not trained on as long" not in call("evaluate", "--run", specific, *sets).out


def test_a_run_can_be_continued_with_named_images_only(
    run: Path, hierarchy: Hierarchy, tmp_path: Path, call: Call
) -> None:
    train = ("train", "--run", tmp_path / "on", "--continue", run, *SHORT)
    sentence = call(*train).refusal()
    assert sentence.startswith(f"What {run} was trained on is not known, since it was imported")
    assert call(*train, "--data", hierarchy.wide).code == 0
    before, after = (load_model(folder, torch.device("cpu")) for folder in (run, tmp_path / "on"))
    assert isinstance(after, Glow)
    changed = [not torch.equal(a, b) for a, b in zip(before.parameters(), after.parameters(), strict=True)]
    assert all(changed)


def test_pictures_are_judged_by_it_where_held_out_images_are_named(
    run: Path, hierarchy: Hierarchy, tmp_path: Path, call: Call
) -> None:
    detect = ("detect", "--run", run, "--images", hierarchy.outside, "--output", tmp_path / "found.csv")
    assert f"What {run} was trained on is not known, since it was imported" in call(*detect).refusal()
    named = ("--calibrate", hierarchy.inside, "--method", "raw_likelihood")
    assert call(*detect, *named).code == 0


def test_a_grey_model_takes_colour_images_as_grey(tmp_path: Path, hierarchy: Hierarchy, call: Call) -> None:
    run = tmp_path / "imported"
    assert "grey images of 8x8" in call("import", save(tmp_path, "plain grey"), "--run", run).out
    assert call("statistics", "--run", run, "--data", hierarchy.outside).code == 0


def test_images_of_another_size_are_made_to_fit_or_refused(tmp_path: Path, run: Path, call: Call) -> None:
    data = save_images(tmp_path / "large.npy", 4, size=16)
    assert (
        "16x16 pixels, but the model takes 8x8" in call("statistics", "--run", run, "--data", data).refusal()
    )


# --- what is refused -------------------------------------------------------------------------------


def test_a_folder_that_is_not_empty_is_left_alone(published: Path, run: Path, call: Call) -> None:
    before = files(run)
    sentence = call("import", published, "--run", run).refusal()
    assert sentence == f"{run} exists and is not empty: choose another folder for the run."
    assert files(run) == before


def test_an_empty_folder_is_taken(published: Path, tmp_path: Path, call: Call) -> None:
    (tmp_path / "empty").mkdir()
    assert call("import", published, "--run", tmp_path / "empty").code == 0
    assert (tmp_path / "empty" / "config.json").exists()


def test_code_is_refused_and_nothing_is_left(tmp_path: Path, call: Call) -> None:
    marker = tmp_path / "executed"
    path = old_file(tmp_path / "evil.th", called("os.system", f"touch {marker}"))
    sentence = call("import", path, "--run", tmp_path / "run").refusal()
    assert sentence.startswith(f"{path} asks for os.system, which no published model needs")
    assert not marker.exists()
    assert [child.name for child in tmp_path.iterdir()] == ["evil.th"]


@pytest.mark.parametrize("kept", [False, True])
def test_numbers_that_are_not_finite_are_refused_and_nothing_is_left(
    tmp_path: Path, call: Call, kept: bool
) -> None:
    path, run = save(tmp_path, "affine", values={"scales.0.steps.0.actnorm.loc": np.nan}), tmp_path / "run"
    if kept:
        run.mkdir()
    sentence = call("import", path, "--run", run).refusal()
    assert sentence.startswith(f"{path} holds NaN or infinite values in 1 of its tensors (prev.0.prev.0.")
    assert run.is_dir() == kept
    assert files(tmp_path).keys() == {path}


def test_an_image_size_is_for_models_on_patches(published: Path, tmp_path: Path, call: Call) -> None:
    command = ("import", published, "--run", tmp_path / "run")
    sentence = call(*command, "--image-size", "16").refusal()
    assert sentence.startswith(f"{published} holds a model of images of 8x8, asked for was 16: ")
    assert not (tmp_path / "run").exists()


def test_a_run_is_no_published_checkpoint(run: Path, tmp_path: Path, call: Call) -> None:
    assert "holds no hparams.json" in call("import", run, "--run", tmp_path / "again").refusal()
    weights = run / "model.safetensors"
    assert "is no checkpoint" in call("import", weights, "--run", tmp_path / "again").refusal()
    assert not (tmp_path / "again").exists()


def test_a_full_disk_leaves_nothing(
    published: Path, tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", "model.safetensors")

    monkeypatch.setattr("models.imports.save_checkpoint", full)
    sentence = call("import", published, "--run", tmp_path / "run").refusal()
    assert sentence == "model.safetensors: No space left on device."
    assert [child.name for child in tmp_path.iterdir()] == ["published.th"]
