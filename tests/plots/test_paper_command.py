"""The second paper's command line: what it asks for, and what it refuses."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from anomaly_methods.methods.registry import get_method
from plots.output import require_output, save_with_numbers
from plots.paper_command import paper_parser, request_of
from plots.paper_request import PaperRequest
from plots.style import new_figure
from tests.plots.examples import gradients, keep, likelihood, make_run

GRADIENTS = ("--anomaly_detection", "gradients_L2_norms_gaussian")


@pytest.fixture(autouse=True)
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make two runs, one of them with a general model."""
    for name in ("a", "b", "a/general", "drawn"):
        make_run(tmp_path / "runs" / name, "vae" if name == "drawn" else "glow")
    monkeypatch.setenv("INVGLOW_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("INVGLOW_FIGURES", str(tmp_path / "figures"))
    return tmp_path / "runs"


def asked(*words: str) -> PaperRequest:
    return request_of(paper_parser("plots.x", "About.", "x", methods="+").parse_args(words), "histograms")


def test_a_request_says_which_models_sets_and_statistics(runs: Path) -> None:
    sets = ("--id_datasets", "cifar10", "svhn", "--datasets", "svhn", "cifar10", "svhn", "celeba")
    request = asked("glow", "a", "b", *sets, *GRADIENTS, "--batch_size", "5", "--limit", "9", "--seed", "3")
    first, second = request.models
    assert (first.run, first.id_dataset, first.general) == (runs / "a", "cifar10", None)
    assert (second.run, second.id_dataset, second.general) == (runs / "b", "svhn", None)
    assert request.sets_of(first) == ["cifar10", "svhn", "celeba"]
    assert request.sets_of(second) == ["svhn", "cifar10", "celeba"]
    selection = request.finder.selection
    assert (selection.group_size, selection.limit, selection.split, selection.seed) == (5, 9, "test", 3)
    assert request.output.parent == runs.parent / "figures"
    assert request.output.name.startswith(
        "histograms-a-b-gradients_L2_norms_gaussian-cifar10-svhn-celeba-first9"
    )


@pytest.mark.usefixtures("runs")
def test_figures_of_other_statistics_have_other_names() -> None:
    words = (
        "glow",
        "a",
        "--id_datasets",
        "cifar10",
        "--datasets",
        "svhn",
        "--anomaly_detection",
        "typicality",
    )
    options = ((), ("--noise_draws", "3"), ("--general", "b"), ("--grey",), ("--batch_size", "5"))
    names = [asked(*words, *option).output.name for option in options]
    assert len(set(names)) == len(options)
    assert names[1].endswith("-svhn-noise3")
    assert names[2].endswith("-svhn-against-b")


def test_missing_statistics_of_all_models_are_named_together(runs: Path) -> None:
    request = asked("glow", "a", "b", "--id_datasets", "cifar10", "svhn", "--datasets", "svhn", *GRADIENTS)
    with pytest.raises(FileNotFoundError) as error:
        request.require()
    first, second = str(error.value).split(" && ")
    assert first.endswith(f"--run {runs / 'a'} --data cifar10 svhn --statistics gradients")
    assert second.endswith(f"--run {runs / 'b'} --data svhn --statistics gradients")
    keep(gradients("svhn"), runs / "a")
    keep(gradients("cifar10", noise_draws=3), runs / "a")
    with pytest.raises(ValueError, match="noise_draws"):
        request.statistics(request.models[0], "gradients")


def test_ratios_need_statistics_of_the_general_model_too(runs: Path) -> None:
    ratio = ("--datasets", "svhn", "--anomaly_detection", "likelihood_ratio")
    request = asked("glow", "a", "--id_datasets", "cifar10", *ratio)
    keep(likelihood("svhn"), runs / "a")
    keep(likelihood("cifar10"), runs / "a")
    with pytest.raises(FileNotFoundError, match=rf"--run {runs}/a/general --data cifar10 svhn"):
        request.require()
    lonely = asked("glow", "b", "--id_datasets", "cifar10", *ratio)
    with pytest.raises(ValueError, match=r"general model, and none is known.*--general"):
        lonely.sources(lonely.models[0], get_method("likelihood_ratio").sources)
    with pytest.raises(ValueError, match=r"needs an ensemble of runs, which figures do not take"):
        lonely.sources(lonely.models[0], get_method("waic").sources)
    named = asked("glow", "b", "--id_datasets", "cifar10", *ratio, "--general", "a")
    assert named.models[0].general == runs / "a"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("glow", "a", "b", "--id_datasets", "x"), "Each model needs its in-distribution set, got 2 models"),
        (("glow", "drawn", "--id_datasets", "x"), "is a run of the family vae, not glow: name vae before it"),
        (("glow", "a", "--id_datasets", "x", "--batch_size", "0"), "--batch_size must be at least 1, got 0"),
        (("glow", "a", "--id_datasets", "x", "--limit", "0"), "--limit must be at least 1"),
        (("glow", "a", "--id_datasets", "x", "--seed", "-1"), "--seed must be at least 0"),
        (
            ("glow", "a", "--id_datasets", "x", "--general", "a", "b"),
            "--general must name one run for each of 1",
        ),
        (
            ("glow", "a", "--id_datasets", "x", "--evaluation_setting", "terms"),
            "takes NAME=VALUE, got 'terms'",
        ),
    ],
)
def test_bad_arguments_are_refused(words: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        asked(*words, "--datasets", "svhn", *GRADIENTS)


def test_unknown_runs_and_methods_are_refused() -> None:
    rest = ("--id_datasets", "x", "--datasets", "svhn")
    with pytest.raises(FileNotFoundError, match="is not a run folder"):
        asked("glow", "nowhere", *rest, *GRADIENTS)
    with pytest.raises(ValueError, match="did you mean gradients_L2_norms_gaussian"):
        asked("glow", "a", *rest, "--anomaly_detection", "gradients_L2_norms_gausian")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("a", "a", "--id_datasets", "x", "x", "--datasets", "y"),
            "shown once with a set, got a of x, a of x",
        ),
        (
            ("a", "--id_datasets", "array:/one/test.npy", "--datasets", "array:/two/test.npy"),
            "array:/one/test.npy and array:/two/test.npy would both be test: rename one",
        ),
        (("a", "--id_datasets", "x", "--datasets", "y", "folder:z/y/"), "y and folder:z/y/ would both be y"),
    ],
)
def test_what_would_have_one_name_is_refused(words: tuple[str, ...], said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        asked("glow", *words, *GRADIENTS)


def test_a_method_that_is_named_twice_is_shown_once() -> None:
    methods = ("--anomaly_detection", "typicality", "gradients_L2_norms_gaussian", "typicality")
    request = asked("glow", "a", "--id_datasets", "x", "--datasets", "y", *methods)
    assert request.methods == ("typicality", "gradients_L2_norms_gaussian")


def test_settings_of_evaluation_name_their_own_statistics(runs: Path) -> None:
    words = ("glow", "a", "--id_datasets", "x", "--datasets", "y", *GRADIENTS)
    request = asked(*words, "--evaluation_setting", "timestep=64", "importance_weighted=true")
    with pytest.raises(FileNotFoundError, match=r"--evaluation-setting importance_weighted=true timestep=64"):
        request.require()
    path = request.finder.selection.path(runs / "a", "x", "gradients")
    assert path.name == "x-test-importance_weighted_true-timestep_64-gradients.npz"
    path = asked(*words, "--iwae", "4").finder.selection.path(runs / "a", "x", "gradients")
    assert path.name == "x-test-importance_weighted_true-samples_4-gradients.npz"
    with pytest.raises(ValueError, match=r"takes NAME=VALUE, got 'timestep'"):
        asked(*words, "--evaluation-setting", "timestep")


def test_a_folder_that_cannot_be_written_is_refused_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"--output\) cannot be written into .*file/below "):
        asked(
            "glow",
            "a",
            "--id_datasets",
            "x",
            "--datasets",
            "y",
            *GRADIENTS,
            "--output",
            f"{tmp_path}/file/below/f",
        )
    require_output(tmp_path / "new" / "figure")
    assert list((tmp_path / "new").iterdir()) == []


@pytest.mark.parametrize("name", [".", "/", "figure.png", "figures/lr-0.1.pdf", "table.tex"])
def test_an_output_that_is_no_name_without_a_suffix_is_refused(name: str) -> None:
    with pytest.raises(
        ValueError, match=rf"--output names a figure or table without a suffix.*got {re.escape(name)}\."
    ):
        require_output(Path(name))


def test_a_figure_is_saved_with_its_numbers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = save_with_numbers(new_figure()[0], tmp_path / "figure", ["a"], [[1]])
    assert [file.name for file in files] == ["figure.pdf", "figure.png", "figure.csv"]
    assert capsys.readouterr().out.split() == [str(file) for file in files]
