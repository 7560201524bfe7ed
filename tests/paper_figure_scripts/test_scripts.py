"""Scripts of the papers' figures: what they would run can be run, nothing runs twice, failures are told."""

from __future__ import annotations

import argparse
import os
import runpy
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest

import main
from tests.programs import run_module

FOLDER = Path(__file__).parents[2] / "paper_figure_scripts"
SHARED = {"common.sh", "scales.sh"}
SCRIPTS = sorted(path.name for path in FOLDER.glob("*.sh") if path.name not in SHARED)
FIGURE_SCRIPTS = sorted(set(SCRIPTS) - {"all.sh", "hierarchy_cifar10_svhn.sh"})
SECOND_PAPER = {
    "FIM_appendix.sh",
    "FIM_approximation_plot.sh",
    "MNIST_total_variation.py",
    "appendix_gradient_histograms.sh",
    "autocorrelation_plot.sh",
    "comparison_to_fisher.sh",
    "create_pull_figure.sh",
    "diffusion_ablation_study.sh",
    "entropy_difference_plot.sh",
    "gradients_histogram_and_scatter.sh",
    "model_samples.sh",
    "rgb_hsv_conversion.py",
    "runner_tables.sh",
}


class Scripts:
    """Runs scripts with a stand-in for Python that writes down what it is asked to do."""

    def __init__(self, folder: Path) -> None:
        self._record = folder / "record"
        self.figures = folder / "figures"
        self._environment = {
            "PATH": os.environ["PATH"],
            "PYTHON": str(Path(__file__).with_name("recording_python.sh")),
            "RECORD": str(self._record),
            "RUNS": str(folder / "runs"),
            "FIGURES": str(self.figures),
        }

    def __call__(self, name: str, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        self._record.unlink(missing_ok=True)
        environment = self._environment | variables
        return subprocess.run(
            ["bash", str(FOLDER / name), *words],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def commands(self) -> list[list[str]]:
        """Return the words after `python` of all commands of the last call."""
        return [shlex.split(line) for line in self._record.read_text().splitlines()]


@pytest.fixture
def scripts(tmp_path: Path) -> Scripts:
    return Scripts(tmp_path)


PARSED: set[tuple[str, ...]] = set()


class _ParsedError(Exception):
    """Raised in place of work, as soon as a program's options have been understood."""


def parse(words: Sequence[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the program of a command parse its options, and do nothing else.

    Raises:
        SystemExit: it does not know them.
    """
    understood = argparse.ArgumentParser.parse_args

    def stop(parser: argparse.ArgumentParser, *given: Any) -> NoReturn:
        understood(parser, *given)
        raise _ParsedError

    module = words[0] == "-m"
    with monkeypatch.context() as context:
        context.setattr(argparse.ArgumentParser, "parse_args", stop)
        context.setattr(sys, "argv", list(words[1:] if module else words))
        with pytest.raises(_ParsedError):
            _start(words)


def _options(words: Sequence[str]) -> tuple[str, ...]:
    """Return the program and the names of its options, by which one command is as good as another."""
    return (*words[:2], *(word for word in words if word.startswith("--")))


def _start(words: Sequence[str]) -> None:
    if words[0] == "-m":
        run_module(words[1])
    elif words[0] == "main.py":
        main.main(words[1:])
    else:
        runpy.run_path(words[0], run_name="__main__")


def test_every_figure_of_the_second_paper_has_its_script() -> None:
    assert {path.name for path in FOLDER.iterdir()} >= SECOND_PAPER


@pytest.mark.parametrize("name", sorted({*SCRIPTS, *SHARED}))
def test_bash_understands_the_script(name: str) -> None:
    subprocess.run(["bash", "-n", str(FOLDER / name)], check=True)


@pytest.mark.parametrize("name", FIGURE_SCRIPTS)
def test_help_says_what_is_reproduced_and_with_which_settings(name: str, scripts: Scripts) -> None:
    told = scripts(name, "--help")
    assert told.returncode == 0
    assert f"bash paper_figure_scripts/{name}" in told.stdout
    assert "paper (" in told.stdout
    assert "Printed there" in told.stdout
    assert "SCALE=dev" in told.stdout
    assert not scripts.figures.exists()


@pytest.mark.parametrize("scale", ["small", "dev", "paper", "test"])
@pytest.mark.parametrize("name", FIGURE_SCRIPTS)
def test_all_commands_can_be_parsed(
    name: str, scale: str, scripts: Scripts, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = scripts(name, SCALE=scale)
    assert ran.returncode == 0, ran.stderr
    commands = scripts.commands()
    assert any(words[0] == "-m" and words[1].startswith("plots.") for words in commands)
    for words in commands:
        if words[0] != "-c" and _options(words) not in PARSED:  # -c looks for a package
            parse(words, monkeypatch)
            PARSED.add(_options(words))


def test_a_script_trains_and_computes_once(scripts: Scripts) -> None:
    assert scripts("model_samples.sh").returncode == 0
    first = [words[1] for words in scripts.commands() if words[0] == "main.py"]
    # Glow's general model besides one of each family, then their samples, then what the sets look like.
    assert [first.count(command) for command in ("train", "sample", "describe")] == [5, 4, 1]
    assert scripts("model_samples.sh").returncode == 0
    assert [words for words in scripts.commands() if words[0] == "main.py"] == []


def test_other_settings_are_given_to_the_training_again(scripts: Scripts) -> None:
    """`main.py train` then refuses them with both values, or goes on where they change no weight."""
    scripts("hierarchy_training_curves.sh", SCALE="dev")
    scripts("hierarchy_training_curves.sh", SCALE="dev", SPECIFIC_STEPS="5")
    (words,) = (words for words in scripts.commands() if words[:2] == ["main.py", "train"])
    assert words[words.index("--steps") + 1] == "5"


def test_sets_and_families_can_be_chosen(scripts: Scripts) -> None:
    variables = {
        "CIFAR10": "array:/data/cifar10",
        "SVHN": "array:/data/svhn",
        "GENERAL": "array:/data/general",
    }
    assert scripts("comparison_to_fisher.sh", SCALE="dev", FAMILIES="glow vae", **variables).returncode == 0
    trained = [words[words.index("--data") + 1] for words in scripts.commands() if words[1] == "train"]
    sets = list(variables.values())
    assert trained == [sets[2], *sets[:2], *sets[:2]]


def test_other_sets_are_drawn_without_those_of_before(scripts: Scripts) -> None:
    scripts("model_samples.sh", FAMILIES="vae")
    (describe,) = (words for words in scripts.commands() if words[1] == "describe")
    before = Path(describe[describe.index("--output") + 1]) / "demo-fashion-mnist-test.npz"
    before.touch()
    scripts("model_samples.sh", FAMILIES="vae")
    assert str(before) in scripts.commands()[-1]
    scripts("model_samples.sh", FAMILIES="vae", IMAGE_SETS="demo-mnist general:photos")
    assert scripts.commands()[-1][1] == "plots.dataset_validation"
    assert str(before) not in scripts.commands()[-1]


def test_a_failure_stops_a_script_and_is_tried_again(scripts: Scripts) -> None:
    assert scripts("hierarchy_scale_shares.sh", FAIL="main.py train").returncode == 3
    assert not any(words[0] == "-m" for words in scripts.commands())
    assert scripts("hierarchy_scale_shares.sh").returncode == 0
    assert [words[1] for words in scripts.commands()] == ["train", "train", "plots.scale_shares"]


@pytest.mark.parametrize(
    ("variables", "words", "sentence"),
    [
        ({"SCALE": "huge"}, (), "error: there is no SCALE huge: choose small, dev or paper."),
        ({}, ("figure.pdf",), "error: model_samples.sh takes no arguments but --help, and got figure.pdf"),
        ({"FAIL": "diffusers"}, (), "error: model_samples.sh needs the package diffusers"),
    ],
)
def test_refusals(
    variables: Mapping[str, str], words: Sequence[str], sentence: str, scripts: Scripts
) -> None:
    refused = scripts("model_samples.sh", *words, **variables)
    assert refused.returncode == 2
    (line,) = refused.stderr.splitlines()
    assert line.startswith(sentence)


def test_all_carries_out_every_script(scripts: Scripts, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = scripts("all.sh", SCALE="small")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    done = {line.split()[-1] for line in (scripts.figures / "logs" / "times.txt").read_text().splitlines()}
    calculations = {name for name in SECOND_PAPER if name.endswith(".py")}
    assert {*FIGURE_SCRIPTS, *calculations} <= done
    for words in scripts.commands():
        if words[0].endswith(".py") and words[0] != "main.py":
            parse(words, monkeypatch)


def test_all_goes_on_after_a_failure_and_tells(scripts: Scripts) -> None:
    ran = scripts("all.sh", FAIL="plots.scale_shares")
    assert ran.returncode == 1
    outcomes = {line.split()[-1]: line.split()[2] for line in ran.stdout.splitlines() if " s  " in line}
    assert outcomes["hierarchy_scale_shares.sh"] == "FAILED"
    assert outcomes["runner_tables.sh"] == "ok"


def test_all_at_dev_goes_on_with_the_same_runs_for_the_table_of_the_readme(
    scripts: Scripts, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert scripts("all.sh", SCALE="dev").returncode == 0
    glow = [words for words in scripts.commands() if words[1] == "train" and "--model" not in words]
    general = [words for words in glow if "tiny" in words]
    assert len({words[words.index("--run") + 1] for words in general}) == 1
    steps = {words[words.index("--steps") + 1] for words in general}
    assert steps == {"7000"}
    for words in scripts.commands():
        if words[:2] == ["main.py", "evaluate"]:
            parse(words, monkeypatch)


def test_only_some_scripts(scripts: Scripts) -> None:
    assert scripts("all.sh", ONLY="hierarchy_samples MNIST_total_variation").returncode == 0
    times = (scripts.figures / "logs" / "times.txt").read_text().splitlines()
    assert {line.split()[-1] for line in times} == {"hierarchy_samples.sh", "MNIST_total_variation.py"}


def test_a_script_draws_from_nothing(tmp_path: Path) -> None:
    """Train, compute and draw for real, on random images and a few steps."""
    random = np.random.default_rng(0)
    (tmp_path / "general").mkdir()
    for split in ("train", "test"):
        images = random.integers(0, 256, (40, 32, 32, 1), dtype=np.uint8)
        np.save(tmp_path / "general" / f"{split}.npy", images)
    variables = {
        "PYTHON": sys.executable,
        "SCALE": "test",
        "GENERAL": f"array:{tmp_path / 'general'}",
        "IMAGE_SETS": "demo-fashion-mnist demo-mnist",
        "TRAIN_SETS": "demo-fashion-mnist",
        "RUNS": str(tmp_path / "runs"),
        "FIGURES": str(tmp_path / "figures"),
        "OMP_NUM_THREADS": "1",
    }
    for name in ("hierarchy_likelihood_histograms", "hierarchy_training_curves"):
        ran = subprocess.run(
            ["bash", str(FOLDER / f"{name}.sh")],
            env=os.environ | variables,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        assert str(tmp_path / "figures" / f"{name}.png") in ran.stdout
        assert all((tmp_path / "figures" / f"{name}.{kind}").stat().st_size for kind in ("pdf", "png", "csv"))
