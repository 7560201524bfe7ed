"""Families of models by name, and models read back from runs."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from invglow.checkpoints import load_weights, read_config, write_config
from models.glow import Glow
from models.registry import FAMILIES, family, load_model
from tests.models.toys import CPU, TINY, train


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(tmp_path_factory.mktemp("runs") / "trained")


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_builds_and_prepares_models(name: str) -> None:
    model = family(name).build(TINY)
    images = torch.rand(8, 1, 8, 8, generator=torch.Generator().manual_seed(0)) - 0.5
    family(name).prepare(model, images)
    assert model.image_shape == (1, 8, 8)
    assert model.log_prob(images).isfinite().all()


def test_an_unknown_family_is_refused_with_those_known() -> None:
    with pytest.raises(ValueError, match="Unknown model family 'gloww'; known are glow"):
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


def test_a_run_that_is_missing_or_untrained_is_refused(tmp_path: Path, trained: Path) -> None:
    with pytest.raises(FileNotFoundError, match="is not a run folder"):
        load_model(tmp_path / "nowhere", CPU)
    shutil.copy(trained / "config.json", tmp_path)
    with pytest.raises(FileNotFoundError, match="has not been trained yet"):
        load_model(tmp_path, CPU)
