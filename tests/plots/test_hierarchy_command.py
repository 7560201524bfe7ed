"""The first paper's command line: runs, their general model, sets; and histograms of a run drawn with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from invglow.run_config import write_config
from plots.command import figure_parser
from plots.general_run import general_run_of
from plots.hierarchy_command import (
    HierarchyRequest,
    add_figure,
    add_general,
    add_sets,
    request_of,
)
from plots.likelihood_histograms import main as histograms
from tests.plots.examples import keep, likelihood

SETS = ("--in-distribution", "cifar10", "--out-of-distribution", "svhn")


@pytest.fixture(autouse=True)
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a base, a run fine-tuned from it, and its equally trained general model."""
    folder = tmp_path / "runs"
    monkeypatch.setenv("INVGLOW_RUNS", str(folder))
    monkeypatch.setenv("INVGLOW_FIGURES", str(tmp_path / "figures"))
    trained(folder / "base")
    origin = {"run": str(folder / "base"), "relation": "base", "sha256": "sha of base"}
    trained(folder / "run", origin=origin)
    trained(folder / "run" / "general", origin={**origin, "relation": "continue"})
    return folder


def trained(run: Path, step: int = 10, origin: dict[str, Any] | None = None) -> None:
    write_config(run, {"origin": origin, "training": {"steps": 10}})
    checkpoint = {"step": step, "sha256": {"model.safetensors": f"sha of {run.name}"}}
    (run / "checkpoint.json").write_text(json.dumps(checkpoint))


def asked(*words: str) -> HierarchyRequest:
    parser = figure_parser("plots.x", "About.", "x")
    parser.add_argument("--run")
    add_general(parser)
    add_sets(parser)
    add_figure(parser)
    return request_of(parser.parse_args(words), "figure")


def test_the_general_model_is_the_one_that_evaluate_takes(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = runs / "run"
    assert asked("--run", "run", *SETS).general_of(run) == run / "general"
    assert asked("--run", "run", *SETS, "--general", "base").general_of(run) == runs / "base"
    assert asked("--run", "run", *SETS, "--general", "none").general_of(run) is None
    assert capsys.readouterr().out == ""
    trained(run / "general", step=5)  # not trained to its end
    assert asked("--run", "run", *SETS).general_of(run) == runs / "base"
    assert "not trained on as long" in capsys.readouterr().out
    assert general_run_of(runs / "base") is None
    (runs / "run" / "general" / "checkpoint.json").unlink()
    assert general_run_of(run) == runs / "base"


def test_a_base_that_changed_or_is_gone_is_refused(runs: Path) -> None:
    trained(runs / "run" / "general", step=5)
    checkpoint = {"step": 10, "sha256": {"model.safetensors": "another"}}
    (runs / "base" / "checkpoint.json").write_text(json.dumps(checkpoint))
    with pytest.raises(ValueError, match=r"weights have changed since.*--general"):
        general_run_of(runs / "run")
    (runs / "base" / "config.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"not there any more: name it with --general"):
        general_run_of(runs / "run")


def test_options_choose_statistics_and_name_the_figure(runs: Path) -> None:
    request = asked("--run", "run", *SETS, "--limit", "9", "--group-size", "5", "--seed", "3")
    assert request.runs == (runs / "run",)
    assert request.sets == ("cifar10", "svhn")
    selection = request.finder.selection
    assert (selection.limit, selection.group_size, selection.seed) == (9, 5, 3)
    assert request.output.name == "figure-run-cifar10-svhn-first9-seed3-groups5"
    assert request.output.parent == runs.parent / "figures"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--run", "none", *SETS), "not a run folder"),
        (("--run", "run", *SETS, "--general", "nowhere"), "not a run folder"),
        (("--run", "run", *SETS, "--limit", "0"), "--limit must be at least 1, got 0"),
        (("--run", "run", *SETS, "--group-size", "0"), "--group-size must be at least 1"),
        (("--run", "run", *SETS, "cifar10"), "shown once"),
        (("--run", "run", *SETS, "array:/x/svhn.npy"), "svhn and array:/x/svhn.npy would both be svhn"),
        (("--run", "run", *SETS, "--output", "/dev/null/figure"), "cannot be written into"),
    ],
)
def test_bad_input_is_one_sentence(words: tuple[str, ...], message: str) -> None:
    with pytest.raises((ValueError, OSError), match=message) as error:
        asked(*words)
    assert "\n" not in str(error.value)


def test_settings_of_evaluation_name_their_own_statistics_and_figures(runs: Path) -> None:
    request = asked("--run", "run", *SETS, "--timestep", "5")
    (path,) = {request.finder.selection.path(runs / "run", "svhn", "likelihood")}
    assert path.name == "svhn-test-evaluation_timestep-timestep_5-likelihood.npz"
    assert request.output.name.endswith("-evaluation-timestep-timestep-5")
    with pytest.raises(FileNotFoundError, match="--evaluation-setting evaluation=timestep timestep=5"):
        request.likelihoods(request.runs)


def test_histograms_of_a_run_show_the_ratio_to_its_general_model(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--run", "run", *SETS, "--output", str(tmp_path / "figure")]
    with pytest.raises(FileNotFoundError) as error:
        histograms(words)
    assert f"--run {runs}/run --data cifar10 svhn" in str(error.value)
    assert f"--run {runs}/run/general --data cifar10 svhn" in str(error.value)
    for folder in (runs / "run", runs / "run" / "general"):
        for name, bits in (("cifar10", 4.0), ("svhn", 3.0)):
            sha = f"sha of {folder.name}"
            keep(likelihood(name, bits=bits, checkpoint_sha256=sha, model=folder.name), folder)
    histograms(words)
    assert len(capsys.readouterr().out.splitlines()) == 3
    text = (tmp_path / "figure.csv").read_text()
    assert "Raw likelihood, model: run" in text
    assert '"Likelihood ratio, models: run, run/general"' in text


def test_histograms_take_one_source(tmp_path: Path) -> None:
    output = ["--output", str(tmp_path / "figure")]
    with pytest.raises(SystemExit):
        histograms(["--run", "run", "--specific", "a.npz", *output])
    with pytest.raises(ValueError, match=r"--in-distribution NAME --out-of-distribution NAME"):
        histograms(["--run", "run", *output])
    with pytest.raises(ValueError, match="names one run"):
        histograms(["--run", "run", *SETS, "--general", "base", "run", *output])
