"""`python -m anomaly_methods.fisher_matrix`: what it keeps, says and refuses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from anomaly_methods import fisher_matrix
from anomaly_methods.matrix_options import MatrixOptions
from anomaly_methods.statistics import Statistics
from models.registry import load_model
from tests.commands.calls import Call, Hierarchy


@pytest.fixture
def matrix(capsys: pytest.CaptureFixture[str]) -> Call:
    return Call(capsys, fisher_matrix.main)


def test_it_keeps_gradients_of_the_models_own_samples(copied: Hierarchy, matrix: Call) -> None:
    options = MatrixOptions(n_layers=2, n_entries=3, n_samples=20, seed=4)
    path = options.path(copied.general)
    outcome = matrix(*options.command("glow", str(copied.general))[2:])
    assert outcome.code == 0, outcome.err
    assert outcome.out == f"general: 6 entries, 20 samples: {path}\n"
    statistics = Statistics.load(path)
    assert statistics.meta.kind == "fisher_matrix"
    assert list(statistics.meta.details) == list(statistics.meta.settings["entries"])
    model = load_model(copied.general, torch.device("cpu")).eval()
    seed = int(np.random.SeedSequence((4, 0)).generate_state(1)[0])
    with torch.no_grad():
        first = model.sample(16, generator=torch.Generator().manual_seed(seed))[:1]
    parameters = dict(model.named_parameters())
    for tensor, entries in statistics.meta.settings["entries"].items():
        (gradient,) = torch.autograd.grad(model.log_prob(first).sum(), parameters[tensor])
        expected = gradient.flatten()[entries].tolist()
        found = [statistics.value(f"{tensor}[{place}]")[0] for place in entries]
        assert found == pytest.approx(expected, rel=1e-3, abs=1e-4)


def test_what_is_there_is_not_computed_again(copied: Hierarchy, matrix: Call) -> None:
    words = ("glow", copied.general, "--n_samples", "4", "--n_layers", "1")
    path = MatrixOptions(n_layers=1, n_samples=4).path(copied.general)
    assert matrix(*words).code == 0
    written = path.stat().st_mtime_ns
    assert matrix(*words).code == 0
    assert path.stat().st_mtime_ns == written
    assert matrix(*words, "--recompute").code == 0
    assert path.stat().st_mtime_ns != written


def test_samples_at_another_temperature_are_other_statistics(copied: Hierarchy, matrix: Call) -> None:
    options = MatrixOptions(n_layers=1, n_entries=3, n_samples=4, temperature=0.5)
    outcome = matrix(*options.command("glow", str(copied.general))[2:])
    assert outcome.code == 0, outcome.err
    path = options.path(copied.general)
    assert path.name == "samples4-seed0-temperature0.5-1layers-3entries-fisher_matrix.npz"
    statistics = Statistics.load(path)
    assert statistics.meta.settings["temperature"] == 0.5
    model = load_model(copied.general, torch.device("cpu")).eval()
    seed = int(np.random.SeedSequence((0, 0)).generate_state(1)[0])
    with torch.no_grad():
        x = model.sample(16, generator=torch.Generator().manual_seed(seed), temperature=0.5)[:1]
    ((tensor, entries),) = statistics.meta.settings["entries"].items()
    (gradient,) = torch.autograd.grad(model.log_prob(x).sum(), dict(model.named_parameters())[tensor])
    found = [statistics.value(f"{tensor}[{place}]")[0] for place in entries]
    assert found == pytest.approx(gradient.flatten()[entries].tolist(), rel=1e-3, abs=1e-4)
    # Neither stands for the other, whatever it is called.
    own = replace(options, temperature=1.0)
    path.replace(own.path(copied.general))
    sentence = matrix(*own.command("glow", str(copied.general))[2:]).refusal()
    assert "holds other statistics than asked for: settings is" in sentence


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("vae", "--n_samples", "4"), "is a run of the family glow, not vae"),
        (("nonsense", "--n_samples", "4"), "no model family 'nonsense'"),
        (("glow", "--n_samples", "1"), "--n_samples must be at least 2, got 1"),
        (("glow", "--n_entries", "0"), "--n_entries must be at least 1, got 0"),
        (("glow", "--seed", "-1"), "--seed must be at least 0"),
        (("glow", "--temperature", "0"), "--temperature must be a number above 0"),
        (("glow", "--temperature", "nan"), "--temperature must be a number above 0"),
        (("glow", "--iwae", "4"), "nothing can be changed for an evaluation, not 'importance_weighted'"),
        (("glow", "--n_layers", "1000"), "tensors of this model can be chosen, got 1000"),
        (("glow", "--layers", "actnrm"), "no tensor 'actnrm'; close to it are "),
    ],
)
def test_what_makes_no_sense_is_refused(
    hierarchy: Hierarchy, matrix: Call, words: tuple[str, ...], said: str
) -> None:
    family, *options = words
    assert said in matrix(family, hierarchy.general, *options).refusal()
    assert not list((hierarchy.general / "statistics").glob("*fisher_matrix*"))


def test_named_layers_have_a_file_of_their_own() -> None:
    run = Path("run")
    names = {MatrixOptions(layers=layers).path(run).name for layers in ((), ("a",), ("b",), ("a", "b"))}
    assert len(names) == 4
