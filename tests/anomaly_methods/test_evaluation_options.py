"""Settings of evaluation, as figures read them without the model and as the models themselves do."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from anomaly_methods.evaluation_options import add_evaluation, read_evaluation, written_evaluation
from anomaly_methods.stored import Selection
from invglow.written_settings import read_settings
from models.diffusion.config import DiffusionConfig
from models.vae.config import VAEConfig


def written(*words: str) -> tuple[str, ...]:
    parser = argparse.ArgumentParser()
    add_evaluation(parser)
    return written_evaluation(parser.parse_args(words))


@pytest.mark.parametrize("flag", ["true", "True", "yes", "false", "False", "NO"])
def test_figures_look_for_what_the_model_wrote_however_a_flag_is_written(flag: str) -> None:
    texts = written("--evaluation-setting", f"importance_weighted={flag}", "samples=8")
    of_model = read_settings(VAEConfig, texts)
    assert read_evaluation(texts) == of_model
    assert (
        len({Selection(evaluation=e).path(Path(), "x", "y") for e in (read_evaluation(texts), of_model)}) == 1
    )


def test_figures_read_numbers_and_words_as_the_model_does() -> None:
    texts = written("--timestep", "16", "--evaluation-setting", "noise_samples=1")
    assert read_evaluation(texts) == read_settings(DiffusionConfig, texts)
    assert read_evaluation(written("--iwae", "4")) == {"importance_weighted": True, "samples": 4}


@pytest.mark.parametrize("text", ["samples", "=3", "samples="])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="takes NAME=VALUE, got"):
        read_evaluation([text])
