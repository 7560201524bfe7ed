"""The other families from the command line: trained, resumed, fine-tuned, measured, drawn from."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from anomaly_methods.statistics import Statistics
from invglow.checkpoints import load_weights, read_config
from models.runs import general_run_of
from tests.commands.calls import SHORT, Call, newest_results, save_images

SETTINGS: dict[str, tuple[str, ...]] = {
    "vae": ("hidden_channels=8", "latent_dimensions=2"),
    "pixelcnn": ("hidden_channels=4", "mixtures=2"),
    "diffusion": ("channels=8,8", "timesteps=6", "timestep=2", "terms=3", "attention=false"),
}
BOUNDS = {"vae": "elbo", "pixelcnn": "exact", "diffusion": "elbo"}
every_family = pytest.mark.parametrize("name", SETTINGS)
ONCE = (*SHORT, "--evaluate-every", "4", "--evaluate-limit", "4")


def options(name: str) -> tuple[str, ...]:
    """Return the options of a tiny model, or skip the test where a package is missing."""
    if name == "diffusion" and importlib.util.find_spec("diffusers") is None:
        pytest.skip("diffusion models need the extra 'diffusion'")
    return ("--model", name, "--setting", *SETTINGS[name], "--image-size", "8", "--grey")


def images(folder: Path) -> tuple[str, str]:
    """Save dark and bright grey images."""
    save_images(folder / "inside" / "train.npy", 16, channels=1, values=(0, 80))
    save_images(folder / "inside" / "test.npy", 24, channels=1, seed=2, values=(0, 80))
    bright = save_images(folder / "outside.npy", 10, channels=1, seed=3, values=(170, 256))
    return f"array:{folder / 'inside'}", bright


def metrics(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


@every_family
def test_a_family_does_what_any_model_does(name: str, tmp_path: Path, call: Call) -> None:
    inside, outside = images(tmp_path)
    run = tmp_path / "run"
    train: tuple[str | Path, ...] = ("train", "--data", inside, "--run", run, *ONCE, *options(name))
    assert call(*train).code == 0
    assert "nothing is trained again" in call(*train).out
    assert read_config(run)["model"]["family"] == name
    assert call("sample", "--run", run, "--n", "2", "--output", tmp_path / "samples.png").code == 0
    data = ("--data", outside, "--statistics", "likelihood", "gradients")
    said = call("statistics", "--run", run, *data)
    assert said.code == 0
    assert (" bits/dim (upper bound, elbo, " in said.out) == (BOUNDS[name] == "elbo")
    (path,) = (run / "statistics").glob("*outside*gradients.npz")
    norms = Statistics.load(path)
    assert len(norms.values) > 5
    assert norms.meta.bound == BOUNDS[name]
    assert all(np.isfinite(values).all() for values in norms.values.values())
    assert_tables_name_the_bound(name, run, inside, outside, call)


def assert_tables_name_the_bound(name: str, run: Path, inside: str, outside: str, call: Call) -> None:
    """Evaluate all methods on likelihoods and one on gradients: each row says what the likelihoods are."""
    sets = ("--in-distribution", inside, "--out-of-distribution", outside)
    found = call("evaluate", "--run", run, *sets)
    assert found.code == 0, found.err
    assert "Left out, for want of a general model or of scales: " in found.out
    rows = json.loads(newest_results(run).read_text())
    assert {"raw_likelihood", "typicality"} <= {row["method"] for row in rows}
    assert {row["bound"] for row in rows} - {""} == {BOUNDS[name]}
    gradients = call("evaluate", "--run", run, *sets, "--method", "gradients_L2_norms_gaussian")
    assert gradients.code == 0, gradients.err
    assert BOUNDS[name] in gradients.out


@every_family
def test_training_in_two_parts_ends_with_the_same_bits(
    name: str, tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside, _ = images(tmp_path)
    train: tuple[str | Path, ...] = (
        "train",
        "--data",
        inside,
        *ONCE,
        *options(name),
        "--checkpoint-every",
        "1",
    )
    assert call(*train, "--run", tmp_path / "whole").code == 0

    from invglow.training.step import TrainingStep

    step = TrainingStep.__call__

    def fails(self: TrainingStep, number: int, x: object) -> object:
        if number == 2:
            raise ValueError("Interrupted.")
        return step(self, number, x)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(TrainingStep, "__call__", fails)
        stopped = call(*train, "--run", tmp_path / "parts")
        assert stopped.err.endswith("error: Interrupted.\n")
    assert call(*train, "--run", tmp_path / "parts").code == 0
    whole, parts = (load_weights(tmp_path / run) for run in ("whole", "parts"))
    assert all(bool((whole[key] == parts[key]).all()) for key in whole)
    assert whole.keys() == parts.keys()


@every_family
def test_a_run_becomes_the_base_of_another(name: str, tmp_path: Path, call: Call) -> None:
    inside, outside = images(tmp_path)
    general, specific = tmp_path / "general", tmp_path / "specific"
    assert call("train", "--data", outside, "--run", general, *ONCE, *options(name)).code == 0
    base = ("--base", general, "--no-equal-training")
    train: tuple[str | Path, ...] = ("train", "--data", inside, "--run", specific, *base, *ONCE)
    assert call(*train).code == 0
    assert general_run_of(specific) == general
    assert read_config(specific)["model"] == read_config(general)["model"]
    assert "--model is for runs from scratch" in call(*train, "--model", name).refusal()
    sets = ("--in-distribution", inside, "--out-of-distribution", outside)
    assert "likelihood_ratio" in call("evaluate", "--run", specific, *sets).out
    assert "have no classes: fine-tune without labels" in labelled(tmp_path, general, call)


def labelled(folder: Path, base: Path, call: Call) -> str:
    """Return what a label loss on top of a base is refused with."""
    data = save_images(folder / "labelled.npy", 16, channels=1)
    np.save(folder / "labelled_labels.npy", np.arange(16) % 2)
    run = ("--run", folder / "labelled", "--base", base, "--no-equal-training")
    return call("train", "--data", data, *run, "--labels", *SHORT).refusal()


@pytest.mark.parametrize("loss", ["class", "margin"])
@pytest.mark.parametrize("name", ["vae", "pixelcnn"])
def test_outlier_losses_make_general_images_less_likely(
    name: str, loss: str, tmp_path: Path, call: Call
) -> None:
    inside, outside = images(tmp_path)
    general, specific = tmp_path / "general", tmp_path / "specific"
    assert call("train", "--data", outside, "--run", general, *SHORT, *options(name)).code == 0
    length = ("--steps", "25", "--batch-size", "8", "--log-every", "1", "--warmup-steps", "5")
    temperature = ("--outlier-temperature", "100") if loss == "class" else ()
    against = ("--base", general, "--no-equal-training", "--outlier-loss", loss, *temperature)
    train: tuple[str | Path, ...] = ("train", "--data", inside, "--run", specific, *length, *against)
    assert call(*train, "--learning-rate", "0.01").code == 0
    found = [line for line in metrics(specific) if "loss" in line]
    losses = [line["loss/outlier"] for line in found]
    for line in found:
        assert line["loss"] == pytest.approx(line["loss/likelihood"] + line["loss/outlier"])
        assert line["left_out"] == 0
    if loss == "class":  # both models are the same at first: a ratio of 0
        assert losses[0] == pytest.approx(6000 * np.log(2), rel=1e-3)
    assert sum(losses[-5:]) < 0.7 * sum(losses[:5])


def test_a_surrogate_has_no_outlier_loss(tmp_path: Path, call: Call) -> None:
    inside, outside = images(tmp_path)
    timestep = (*options("diffusion"), "--setting", "evaluation=timestep")
    assert call("train", "--data", outside, "--run", tmp_path / "general", *SHORT, *timestep).code == 0
    against = ("--base", tmp_path / "general", "--no-equal-training", "--outlier-loss", "class")
    train: tuple[str | Path, ...] = ("train", "--data", inside, "--run", tmp_path / "run", *SHORT, *against)
    sentence = call(*train).refusal()
    assert (
        "compare log-likelihoods in nats, but log p of this model is a surrogate (timestep 2 of 6" in sentence
    )
    assert not (tmp_path / "run").exists()


def test_a_missing_package_is_named_with_its_extra(
    tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside, outside = images(tmp_path)
    run = tmp_path / "run"
    train: tuple[str | Path, ...] = ("train", "--data", inside, *SHORT, *options("diffusion"))
    assert call(*train, "--run", run).code == 0
    monkeypatch.setitem(sys.modules, "diffusers", None)
    commands: tuple[tuple[str | Path, ...], ...] = (
        (*train, "--run", tmp_path / "other"),
        ("statistics", "--run", run, "--data", outside),
        ("sample", "--run", run, "--output", tmp_path / "samples.png"),
    )
    for command in commands:
        sentence = call(*command).refusal()
        assert sentence.startswith("Diffusion models need the package diffusers, which is not installed")
        assert sentence.endswith("pip install 'invglow[diffusion]'.")
    assert not (tmp_path / "other").exists()


def test_only_what_is_a_likelihood_is_called_bits_per_dimension(tmp_path: Path, call: Call) -> None:
    inside, outside = images(tmp_path)
    for name, setting, batch, watched in (
        ("vae", "samples=2", True, "bits_per_dim/test"),
        ("diffusion", "evaluation=bound", False, "bits_per_dim/test"),
        ("diffusion", "evaluation=timestep", False, "surrogate/test"),
    ):
        run = tmp_path / setting
        train: tuple[str | Path, ...] = (
            "train",
            "--data",
            inside,
            "--run",
            run,
            *ONCE,
            *options(name),
            "--setting",
            setting,
        )
        assert call(*train).code == 0
        lines = metrics(run)
        assert all(("bits_per_dim/batch" in line) == batch for line in lines if "loss" in line)
        assert [key for key in lines[-1] if key.endswith("/test")] == [watched]
    said = call("statistics", "--run", run, "--data", outside).out
    assert "surrogate: no likelihood" in said
    assert "bits/dim" not in said


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (("--model", "gan"), "Unknown model family 'gan'; known are glow, vae, pixelcnn, diffusion."),
        (("--model", "vae", "--scales", "2"), "--scales is for --model glow, got --model vae"),
        (("--model", "vae", "--hidden-channels", "512"), "--hidden-channels is for --model glow"),
        (("--model", "vae", "--setting", "width=3"), "Unknown setting 'width'; known are latent_dimensions,"),
        (("--model", "vae", "--setting", "samples=two"), "'samples' must be of type int, got 'two'."),
        (("--model", "vae", "--setting", "samples=0"), "samples must be at least 1, got 0."),
        (("--model", "vae"), "sides must be divisible by 8, got 12x12"),
        (("--model", "pixelcnn", "--setting", "architecture=plain"), "takes grey images, got 3 channels"),
        (("--model", "diffusion", "--setting", "timestep=1001"), "timestep must be between 1 and 1000"),
        (("--setting", "scales=2"), "--setting is for families but Glow"),
    ],
)
def test_settings_that_make_no_sense_are_refused(
    given: tuple[str, ...], sentence: str, tmp_path: Path, call: Call
) -> None:
    data = save_images(tmp_path / "images.npy", 16, size=12)
    train: tuple[str | Path, ...] = ("train", "--data", data, "--run", tmp_path / "run", *SHORT, *given)
    assert sentence in call(*train).refusal()
    assert not (tmp_path / "run").exists()
