"""Families of models by name, and models read back from runs."""

from __future__ import annotations

import importlib.util
import json
import math
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from invglow.checkpoints import load_weights, read_config, write_config
from models.glow import Glow
from models.registry import FAMILIES, evaluation_settings, family, load_model, prepare
from tests.models.toys import CPU, TINY, train

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(tmp_path_factory.mktemp("runs") / "trained")


SETTINGS: dict[str, dict[str, Any]] = {
    "glow": TINY,
    "vae": {"image_shape": [1, 8, 8], "hidden_channels": 8, "latent_dimensions": 2},
    "pixelcnn": {"image_shape": [1, 8, 8], "hidden_channels": 4, "mixtures": 2},
    "diffusion": {"image_shape": [1, 8, 8], "channels": [8, 8], "timesteps": 8, "timestep": 2, "terms": 2},
}
every_family = pytest.mark.parametrize("name", FAMILIES)


def require(name: str) -> None:
    """Skip where a family needs a package that is not installed."""
    if name == "diffusion" and importlib.util.find_spec("diffusers") is None:
        pytest.skip("diffusion models need the extra 'diffusion'")


@every_family
def test_every_family_builds_and_prepares_models(name: str) -> None:
    require(name)
    model = family(name).build(SETTINGS[name])
    images = torch.rand(8, 1, 8, 8, generator=torch.Generator().manual_seed(0)) - 0.5
    prepare(name, model, images)
    assert model.image_shape == (1, 8, 8)
    assert model.log_prob(images).isfinite().all()


@every_family
def test_the_settings_of_every_family_come_back_from_plain_data(name: str) -> None:
    config = family(name).CONFIG(**SETTINGS[name])
    assert family(name).CONFIG(**json.loads(json.dumps(config.to_json()))) == config


EVALUATIONS: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "vae": (
        ("samples=3", "noise_seed=2", "importance_weighted=true"),
        {"importance_weighted": True, "noise_seed": 2, "samples": 3},
    ),
    "diffusion": (
        ("evaluation=timestep", "terms=3", "timestep=8", "noise_samples=3", "noise_seed=1"),
        {"evaluation": "timestep", "noise_samples": 3, "noise_seed": 1, "terms": 3, "timestep": 8},
    ),
}


@every_family
def test_evaluation_settings_change_no_weight(name: str, tmp_path: Path) -> None:
    require(name)
    settings = family(name).CONFIG(**SETTINGS[name]).to_json()
    write_config(tmp_path, {"model": {"family": name, "settings": settings}})
    written, expected = EVALUATIONS.get(name, ((), {}))
    found = evaluation_settings(tmp_path, written)
    assert list(found.items()) == list(expected.items())
    assert set(found) == set(family(name).EVALUATION_SETTINGS)
    own, other = family(name).build(settings), family(name).build({**settings, **found})
    weights, same = own.state_dict(), other.state_dict()
    assert {key: value.shape for key, value in weights.items()} == {
        key: value.shape for key, value in same.items()
    }
    other.load_state_dict(weights)
    x = torch.rand(4, 1, 8, 8, generator=torch.Generator().manual_seed(0)) - 0.5
    assert torch.equal(own.eval().log_prob(x), other.eval().log_prob(x)) == (not expected)
    assert (own.evaluation == other.evaluation) == (not expected)


@every_family
@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"colour": 1}, "Unknown setting 'colour'; known are image_shape, "),
        ({"image_shape": [8, 8]}, "The setting 'image_shape' must be tuple"),
        ({"image_shape": "8x8"}, "The setting 'image_shape' must be tuple"),
    ],
)
def test_every_family_refuses_settings_in_a_sentence(
    name: str, settings: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ValueError, match="setting") as error:
        family(name).build(settings)
    assert sentence in str(error.value)


def test_importing_the_registry_imports_no_family() -> None:
    script = "import sys, models, models.registry, models.runs; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert "models.registry" in loaded
    assert not [name for name in loaded if name.startswith(tuple(f"models.{family}" for family in FAMILIES))]
    assert "diffusers" not in loaded


@pytest.mark.parametrize("part", ["NoiseSchedule", "build_unet"])
def test_without_diffusers_its_models_are_refused(part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from models.diffusion import schedule, unet
    from models.diffusion.config import DiffusionConfig

    monkeypatch.setitem(sys.modules, "diffusers", None)
    build = {"NoiseSchedule": schedule.NoiseSchedule, "build_unet": unet.build_unet}[part]
    with pytest.raises(ValueError, match=r"which is not installed .*pip install 'invglow\[diffusion\]'"):
        build(DiffusionConfig())


def test_an_unknown_family_is_refused_with_those_known() -> None:
    with pytest.raises(
        ValueError, match="Unknown model family 'gloww'; known are glow, vae, pixelcnn, diffusion"
    ):
        family("gloww")


def test_a_model_comes_back_from_its_run_ready_for_evaluation(trained: Path) -> None:
    model = load_model(trained, CPU)
    assert isinstance(model, Glow)
    assert not model.training
    torch.testing.assert_close(dict(model.state_dict()), load_weights(trained), rtol=0, atol=0)
    assert model.scales == 2


def test_weights_handed_on_alone_are_enough(trained: Path, tmp_path: Path) -> None:
    for name in ("config.json", "model.safetensors"):
        shutil.copy(trained / name, tmp_path)
    x = torch.zeros(2, 1, 8, 8)
    torch.testing.assert_close(load_model(tmp_path, CPU).log_prob(x), load_model(trained, CPU).log_prob(x))


def test_weights_of_another_size_are_refused(trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    config = read_config(trained)
    config["model"]["settings"]["hidden_channels"] = 8
    write_config(tmp_path, config)
    with pytest.raises(ValueError, match=r"The weights in .* do not fit its configuration"):
        load_model(tmp_path, CPU)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_weights_that_are_not_finite_are_refused_by_name(trained: Path, tmp_path: Path, value: float) -> None:
    shutil.copy(trained / "config.json", tmp_path)
    weights = load_weights(trained)
    names = [name for name in weights if name.endswith("conv_mid.weight")]
    for name in names:
        weights[name].view(-1)[-1] = value
    save_file(weights, tmp_path / "model.safetensors")
    words = rf"^The weights in .* hold NaN or infinite .* {len(names)} of {len(weights)} tensors \({names[0]}"
    with pytest.raises(ValueError, match=words):
        load_model(tmp_path, CPU)


def test_a_run_that_is_missing_or_untrained_is_refused(tmp_path: Path, trained: Path) -> None:
    with pytest.raises(FileNotFoundError, match="is not a run folder"):
        load_model(tmp_path / "nowhere", CPU)
    shutil.copy(trained / "config.json", tmp_path)
    with pytest.raises(FileNotFoundError, match="has not been trained yet"):
        load_model(tmp_path, CPU)
