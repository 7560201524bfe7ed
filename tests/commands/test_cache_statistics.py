"""`python -m anomaly_methods.cache_statistics`: the second paper's command line, on runs of this library."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from anomaly_methods import cache_statistics
from anomaly_methods.methods.registry import ALIASES, METHODS
from anomaly_methods.statistics import Statistics
from models.glow import Glow
from tests.commands.calls import Call, Hierarchy, Outcome, newest_results

ROOT = Path(__file__).parents[2]


@pytest.fixture
def cache(capsys: pytest.CaptureFixture[str]) -> Call:
    """Return what runs the command."""
    return Call(capsys, cache_statistics.main)


def kept(run: Path) -> list[Path]:
    return sorted((run / "statistics").glob("*.npz"))


def forbid_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    def called(*_: object) -> None:
        raise AssertionError("the model was asked, though the statistics are there")

    monkeypatch.setattr(Glow, "scale_terms", called)


def test_the_papers_command_then_evaluate_computes_nothing(
    copied: Hierarchy, cache: Call, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    sets = (copied.inside, copied.outside)
    norms = ("--anomaly_detection", "gradients_L2_norms", "--batch_size", "2")
    outcome = cache("glow", copied.specific, "--datasets", *sets, *norms)
    assert outcome.code == 0
    found = [Statistics.load(path) for path in kept(copied.specific)]
    assert [(s.meta.kind, s.meta.group_size, len(s)) for s in found] == [
        ("gradients", 2, 25),
        ("gradients", 2, 5),
    ]
    for spec, path, rows in zip(sets, kept(copied.specific), (25, 5), strict=True):
        assert f"{spec}: {rows} groups of 2 images, {len(found[0].values)} tensors, {path}" in outcome.out
    forbid_the_model(monkeypatch)
    evaluate = ("evaluate", "--run", copied.specific, "--in-distribution", sets[0])
    method = ("--method", "gradients_L2_norms_gaussian", "--group-size", "2")
    assert call(*evaluate, "--out-of-distribution", sets[1], *method).code == 0
    (row,) = json.loads(newest_results(copied.specific).read_text())
    assert (row["method"], row["group_size"], row["n_out"]) == ("gradients_L2_norms_gaussian", 2, 5)


def test_it_takes_what_the_statistics_command_kept(
    copied: Hierarchy, cache: Call, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ("--limit", "9", "--split", "train")
    kinds = ("--statistics", "likelihood", "gradients", "--group-size", "4")
    assert call("statistics", "--run", copied.specific, "--data", copied.inside, *options, *kinds).code == 0
    before = {path: path.read_bytes() for path in kept(copied.specific)}
    forbid_the_model(monkeypatch)
    names = ("--anomaly_detection", "likelihoods", "gradients_L2_norms", "--batch_size", "4")
    outcome = cache("glow", copied.specific, "--datasets", copied.inside, *options, *names)
    assert outcome.code == 0
    assert outcome.out.count("left out: the last 1 images, which make no whole group") == 2
    assert {path: path.read_bytes() for path in kept(copied.specific)} == before


def test_runs_are_found_by_name_and_there_can_be_several(
    copied: Hierarchy, cache: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INVGLOW_RUNS", str(copied.folder / "runs"))
    models = ("specific", "specific/general", "general")
    likelihoods = ("--anomaly_detection", "likelihoods", "--images_at_once", "7")
    assert cache("glow", *models, "--datasets", copied.outside, *likelihoods).code == 0
    for run in (copied.specific, copied.specific / "general", copied.general):
        (path,) = kept(run)
        assert len(Statistics.load(path)) == 10


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("gradients_L2_norms", ["gradients"]),
        ("gradients_L2_norms_svm", ["gradients"]),
        ("raw_likelihoods", ["likelihood"]),
        ("typicality", ["likelihood"]),
        ("fisher_typicality", ["gradients", "likelihood"]),
    ],
)
def test_every_name_stands_for_the_statistics_it_needs(
    copied: Hierarchy, cache: Call, name: str, kinds: list[str]
) -> None:
    command = ("glow", copied.specific, "--datasets", copied.outside, "--limit", "2")
    assert cache(*command, "--anomaly_detection", name).code == 0
    assert sorted(Statistics.load(path).meta.kind for path in kept(copied.specific)) == kinds


def test_a_method_of_two_models_says_that_the_other_is_needed_too(copied: Hierarchy, cache: Call) -> None:
    command = ("glow", copied.specific, "--datasets", copied.outside, "--limit", "2")
    outcome = cache(*command, "--anomaly_detection", "likelihood_ratio")
    assert "likelihood_ratio also needs statistics of: general. Name that run as a MODEL too" in outcome.out


def test_an_unknown_name_lists_the_known_ones(copied: Hierarchy, cache: Call) -> None:
    command = ("glow", copied.specific, "--datasets", copied.outside)
    sentence = cache(*command, "--anomaly_detection", "gradient_L2_norm").refusal()
    assert "There is no anomaly detection 'gradient_L2_norm': did you mean gradients_L2_norms?" in sentence
    assert all(name in sentence for name in (*METHODS, *ALIASES))
    assert not kept(copied.specific)


def test_a_run_of_another_family_is_refused_before_anything_is_computed(
    copied: Hierarchy, cache: Call
) -> None:
    config = json.loads((copied.general / "config.json").read_text())
    config["model"]["family"] = "vae"
    (copied.general / "config.json").write_text(json.dumps(config))
    command = ("glow", copied.specific, copied.general, "--datasets", copied.outside)
    assert f"{copied.general} is a run of the family vae, not glow" in cache(*command).refusal()
    assert not kept(copied.specific)


def test_an_unknown_family_is_refused(copied: Hierarchy, cache: Call) -> None:
    sentence = cache("glue", copied.specific, "--datasets", copied.outside).refusal()
    assert sentence.startswith("There is no model family 'glue': known are glow")


@pytest.mark.parametrize("option", ["--batch_size", "--images_at_once"])
def test_sizes_of_nothing_are_refused_by_their_names_here(
    copied: Hierarchy, cache: Call, option: str
) -> None:
    sentence = cache("glow", copied.specific, "--datasets", copied.outside, option, "0").refusal()
    assert sentence == f"{option} must be at least 1, got 0."


def test_training_mode_is_checked_and_gives_the_same_statistics(copied: Hierarchy, cache: Call) -> None:
    command = ("glow", copied.specific, "--datasets", copied.outside, "--limit", "4")
    assert cache(*command, "--model_mode", "train").code == 0
    (path,) = kept(copied.specific)
    before = path.read_bytes()
    assert cache(*command, "--model_mode", "eval").code == 0
    assert {path: path.read_bytes() for path in kept(copied.specific)} == {path: before}


def test_training_mode_that_is_another_function_is_refused(
    copied: Hierarchy, cache: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Glow.scale_terms

    def dropping(model: Glow, x: object) -> object:
        log_det, log_prior = real(model, x)  # type: ignore[arg-type]
        return (log_det + 1 if model.training else log_det), log_prior

    monkeypatch.setattr(Glow, "scale_terms", dropping)
    command = ("glow", copied.specific, "--datasets", copied.outside, "--limit", "4")
    assert "in evaluation mode (as dropout does)" in cache(*command, "--model_mode", "train").refusal()
    assert cache(*command).code == 0


def test_help_teaches_by_an_example_and_says_what_the_batch_size_is(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        cache_statistics.main(["--help"])
    printed = capsys.readouterr().out
    assert "GROUP SIZE" in printed
    assert "python -m anomaly_methods.cache_statistics glow cifar10 --datasets cifar10 svhn" in printed


def test_it_runs_as_a_module_and_help_does_not_wait_for_torch() -> None:
    program = (
        "import sys, anomaly_methods.cache_statistics as c\n"
        "try: c.main(['--help'])\nfinally: assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True)
    command = (sys.executable, "-m", "anomaly_methods.cache_statistics", "glow", "x", "--datasets", "a")
    refused: subprocess.CompletedProcess[str] = subprocess.run(
        command, cwd=ROOT, check=False, capture_output=True, text=True
    )
    assert Outcome(refused.returncode, refused.stdout, refused.stderr).refusal().startswith("x is not a run")
