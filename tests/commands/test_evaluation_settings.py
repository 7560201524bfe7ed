"""Evaluating a trained run with other settings than its own: other numbers, other names, no other weights."""

from __future__ import annotations

import csv
import json
import shlex
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from anomaly_methods import cache_statistics, fisher_matrix
from anomaly_methods.statistics import Statistics
from benchmarks import gradient_scores
from invglow.data.preprocessing import dequantize
from models.base import StochasticModel
from models.registry import load_model
from plots.FIM_approximation import normalised
from plots.FIM_approximation.command import draw
from tests.commands.calls import Call, Hierarchy, files, newest_results
from tests.commands.test_families import ONCE, images, options

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train a tiny run of every family once."""
    from main import main

    folder = tmp_path_factory.mktemp("families")
    inside, _ = images(folder)
    for name in ("vae", "pixelcnn", "diffusion"):
        train = ("train", "--data", inside, "--run", str(folder / name), *ONCE, *options(name))
        assert main(list(train)) == 0
    return folder


@pytest.fixture
def run(folder: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """Yield the run of a family; what was computed is removed again."""
    found = folder / request.param
    before = files(found)
    yield found
    for path in set(files(found)) - set(before):
        path.unlink()


def kept(run: Path, kind: str = "likelihood") -> list[Statistics]:
    return [Statistics.load(path) for path in sorted((run / "statistics").glob(f"*{kind}*.npz"))]


CASES = {
    "vae": (("--iwae", "3"), "importance_weighted_true-samples_3", "elbo", "importance-weighted, 3 codes"),
    "diffusion": (
        ("--timestep", "5", "--evaluation-setting", "noise_samples=3"),
        "evaluation_timestep-noise_samples_3-timestep_5",
        "surrogate",
        "timestep 5 of 6, 3 noises",
    ),
}
both = pytest.mark.parametrize(("run", "case"), list(CASES.items()), indirect=["run"], ids=list(CASES))


@both
def test_other_settings_make_other_statistics_that_say_so(
    run: Path, case: tuple[tuple[str, ...], str, str, str], call: Call
) -> None:
    asked, name, bound, words = case
    data = f"array:{run.parent / 'inside'}"
    command = ("statistics", "--run", run, "--data", data)
    own = call(*command)
    (path,) = (run / "statistics").iterdir()
    assert path.name.endswith("-inside-test-likelihood.npz") or path.name.endswith("-test-likelihood.npz")
    before = path.read_bytes()
    other = call(*command, *asked)
    assert (own.code, other.code) == (0, 0), other.err
    assert words in other.out
    draws_enough = run.name == "diffusion"  # two noises for each term, but a single code
    assert ("standard error of the estimate: " in own.out) == draws_enough
    assert ("log_prob.standard_error" in Statistics.load(path).values) == draws_enough
    assert ("bits/dim" in other.out) == (bound != "surrogate")
    (added,) = set((run / "statistics").iterdir()) - {path}
    assert added.name == path.name.replace("-likelihood", f"-{name}-likelihood")
    assert path.read_bytes() == before
    found = Statistics.load(added)
    assert (found.meta.bound, found.meta.evaluation) == (bound, words)
    assert not np.allclose(found.value("log_prob"), Statistics.load(path).value("log_prob"))
    # The same numbers as the model gives when it is told so directly.
    model = load_model(run, CPU, found.meta.settings["evaluation"])
    pixels = torch.from_numpy(np.load(run.parent / "inside" / "test.npy")).permute(0, 3, 1, 2)
    assert isinstance(model, StochasticModel)
    with torch.no_grad():
        expected = model.log_prob(dequantize(pixels), torch.arange(len(pixels)))
    np.testing.assert_allclose(found.value("log_prob"), expected.numpy(), rtol=1e-5)
    # Neither stands for the other, whatever it is called.
    added.replace(path)
    assert "holds other statistics than asked for: settings is" in call(*command).refusal()


@both
def test_a_fisher_matrix_is_of_the_settings_asked_for_and_says_so(
    run: Path,
    case: tuple[tuple[str, ...], str, str, str],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked, name, bound, words = case
    monkeypatch.setenv("INVGLOW_RUNS", str(run.parent))
    few = (run.name, run.name, "--n_samples", "4", "--n_layers", "1", "--n_entries", "4")
    with pytest.raises(FileNotFoundError, match="--evaluation-setting") as missing:
        draw([*few, *asked], "", "", normalised.save)
    matrix = Call(capsys, fisher_matrix.main)
    for command in (few, shlex.split(str(missing.value).partition("fisher_matrix ")[2])):
        assert matrix(*command).code == 0
    (own,), (other,) = (
        [one for one in kept(run, "fisher_matrix") if ("evaluation" in one.meta.settings) == changed]
        for changed in (False, True)
    )
    assert (other.meta.bound, other.meta.evaluation) == (bound, words)
    assert any((run / "statistics").glob(f"*-{name}-fisher_matrix.npz"))
    assert all(not np.allclose(values, own.value(entry)) for entry, values in other.values.items())
    draw([*few, *asked, "--output", str(tmp_path / "figure")], "", "", normalised.save)
    with (tmp_path / "figure.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {(row["model"], row["bound"], row["evaluation"]) for row in rows} == {(run.name, bound, words)}
    assert {(row["temperature"], row["samples"]) for row in rows} == {("1.0", "4")}


@both
def test_tables_and_their_files_say_how_was_evaluated(
    run: Path, case: tuple[tuple[str, ...], str, str, str], call: Call
) -> None:
    asked, _, bound, words = case
    inside, outside = f"array:{run.parent / 'inside'}", f"array:{run.parent / 'outside.npy'}"
    sets = ("--in-distribution", inside, "--out-of-distribution", outside)
    methods = ("--method", "raw_likelihood", "gradients_L2_norms_gaussian", "typicality")
    command = ("evaluate", "--run", run, *sets, *methods)
    assert call(*command).code == 0
    without = newest_results(run)
    outcome = call(*command, *asked)
    assert outcome.code == 0, outcome.err
    assert outcome.out.count(f"{bound} ({words})") == 3
    assert newest_results(run) != without
    rows = json.loads(newest_results(run).read_text())
    assert {(row["bound"], row["evaluation"]) for row in rows} == {(bound, words)}


@both
def test_the_fisher_information_is_of_the_same_evaluation(
    run: Path, case: tuple[tuple[str, ...], str, str, str], call: Call
) -> None:
    asked, name, *_ = case
    kind = ("--statistics", "fisher_diagonal", "--fisher-images", "8")
    command = ("statistics", "--run", run, "--data", f"array:{run.parent / 'outside.npy'}", *kind)
    assert call(*command).code == 0
    assert call(*command, *asked).code == 0
    assert sorted(path.name for path in (run / "fisher").iterdir()) == [
        f"diagonal-data8-seed0{more}.safetensors" for more in (f"-{name}", "")
    ]
    own, other = sorted((run / "fisher").iterdir(), key=lambda path: len(path.name))
    own.replace(other)
    assert (
        "holds another Fisher information than asked for: evaluation is {}"
        in call(*command, *asked).refusal()
    )


@both
def test_other_commands_take_the_same_settings(
    run: Path, case: tuple[tuple[str, ...], str, str, str], call: Call, capsys: pytest.CaptureFixture[str]
) -> None:
    asked, name, *_ = case
    inside, outside = f"array:{run.parent / 'inside'}", f"array:{run.parent / 'outside.npy'}"
    judge = (
        "detect",
        "--run",
        run,
        "--images",
        outside,
        "--output",
        run / "found.csv",
        "--method",
        "typicality",
    )
    assert call(*judge, "--false-positive-rate", "0.2", *asked).code == 0
    assert call("analyse", "variants", "--run", run, "--data", outside, *asked).code == 0
    cache = Call(capsys, cache_statistics.main)
    assert cache(run.name, run, "--datasets", inside, *asked).code == 0
    compare = Call(capsys, gradient_scores.main)
    gradients = ("--method", "gradients_L2_norms_gaussian", "raw_likelihood", "--group-size", "1")
    outcome = compare("--pair", run, inside, outside, *gradients, *asked)
    assert outcome.code == 0, outcome.err
    assert CASES[run.name][3] in outcome.out
    names = [path.name for path in (run / "statistics").iterdir()]
    assert len(names) > 6
    assert all(name in found for found in names)


@pytest.mark.parametrize(
    ("run", "asked", "sentence"),
    [
        ("vae", ("--timestep", "3"), "samples, importance_weighted, noise_seed may be changed"),
        ("vae", ("--evaluation-setting", "latent_dimensions=3"), "not 'latent_dimensions'."),
        ("vae", ("--iwae", "0"), "samples must be at least 1, got 0."),
        ("vae", ("--iwae", "2", "--evaluation-setting", "samples=3"), "'samples' was given twice"),
        ("vae", ("--evaluation-setting", "samples"), "A setting is written NAME=VALUE, got 'samples'"),
        ("diffusion", ("--timestep", "7"), "timestep must be between 1 and 6, the number of timesteps"),
        ("diffusion", ("--timestep", "0"), "timestep must be between 1 and 6, the number of timesteps"),
        ("diffusion", ("--evaluation-setting", "terms=9"), "terms must be between 2 and 6, or 0 for all"),
        ("diffusion", ("--evaluation-setting", "timesteps=9"), "noise_seed may be changed for an evaluation"),
        ("pixelcnn", ("--iwae", "2"), "a trained pixelcnn, nothing can be changed for an evaluation"),
    ],
    indirect=["run"],
)
def test_what_would_need_other_weights_or_makes_no_sense_is_refused(
    run: Path, asked: tuple[str, ...], sentence: str, call: Call
) -> None:
    data = f"array:{run.parent / 'outside.npy'}"
    command: tuple[str | Path, ...] = ("statistics", "--run", run, "--data", data, *asked)
    assert sentence in call(*command).refusal()
    assert not (run / "statistics").exists() or not list((run / "statistics").iterdir())


def test_a_glow_has_nothing_to_change(hierarchy: Hierarchy, call: Call) -> None:
    command = ("statistics", "--run", hierarchy.specific, "--data", hierarchy.outside, "--timestep", "3")
    assert (
        "a trained glow, nothing can be changed for an evaluation, not 'evaluation'."
        in call(*command).refusal()
    )
