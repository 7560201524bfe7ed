"""Names of statistics files and the commands that make them: people have such files."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import pytest

from anomaly_methods.fisher_options import FisherOptions
from anomaly_methods.kinds import KINDS, statistics_for
from anomaly_methods.stored import Selection, run_folder, slug

RUN = Path("runs/cifar10")
CHANGES = {
    "split": "train",
    "limit": 500,
    "grey": True,
    "noise_draws": 2,
    "group_size": 5,
    "evaluation": {"timestep": 64},
}


def test_standard_names_are_those_of_files_that_people_have() -> None:
    folder = RUN / "statistics"
    assert Selection().path(RUN, "svhn", "gradients") == folder / "svhn-test-gradients.npz"
    groups = Selection(limit=2000, group_size=5)
    assert groups.path(RUN, "svhn", "likelihood") == folder / "svhn-test-first2000-groups5-likelihood.npz"
    fisher = Selection(split="train", fisher=FisherOptions(seed=3, damping=0.1))
    name = "svhn-train-fisher_diagonal-data1000-seed3-damping0.1.npz"
    assert fisher.path(RUN, "svhn", "fisher_diagonal") == folder / name
    noisy = Selection(noise_draws=2, seed=1, grey=True)
    assert noisy.path(RUN, "svhn", "likelihood").name == "svhn-test-grey-noise2-seed1-likelihood.npz"
    assert noisy.path(RUN, "svhn", "complexity").name == "svhn-test-grey-complexity.npz"
    evaluated = Selection(evaluation={"timestep": 64, "evaluation": "timestep", "flag": True})
    name = "svhn-test-evaluation_timestep-flag_true-timestep_64-likelihood.npz"
    assert evaluated.path(RUN, "svhn", "likelihood").name == name


def test_every_difference_makes_another_name() -> None:
    subsets = [names for count in range(len(CHANGES) + 1) for names in itertools.combinations(CHANGES, count)]
    selections = [replace(Selection(), **{name: CHANGES[name] for name in names}) for names in subsets]  # type: ignore[arg-type]
    names = {item.path(RUN, spec, "likelihood") for item in selections for spec in ("svhn", "mnist")}
    assert len(names) == 2 * len(subsets)


def test_the_command_says_what_is_not_standard() -> None:
    words = Selection().command(RUN, ["svhn", "mnist"], ["likelihood", "gradients"])
    standard = "main.py statistics --run runs/cifar10 --data svhn mnist --statistics likelihood gradients"
    assert " ".join(words) == standard
    fisher = FisherOptions("samples", 7, 0.5, 4)
    special = replace(Selection(seed=4, fisher=fisher), **CHANGES)  # type: ignore[arg-type]
    words = special.command(RUN, ["svhn"], ["fisher_diagonal"])
    assert " ".join(words[7:]) == (
        "fisher_diagonal --split train --limit 500 --noise-draws 2 --seed 4 --group-size 5 --grey "
        "--evaluation-setting timestep=64 --fisher-from samples --fisher-images 7 --fisher-damping 0.5"
    )


def test_names_of_sets_and_runs(tmp_path: Path) -> None:
    assert slug("array:/a/images.npy") != slug("array:/b/images.npy")
    assert slug("folder:/a/b") == slug("folder:/a/b")
    assert slug("fashion-mnist") == "fashion-mnist"
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "config.json").write_text("{}")
    assert run_folder("mine", tmp_path) == tmp_path / "mine"
    assert run_folder("other", tmp_path) == Path("other")


def test_kinds_of_methods_and_of_the_papers_names() -> None:
    assert statistics_for(["likelihoods", "gradients_L2_norms", "gradients_L2_norms_gaussian"]) == [
        "likelihood",
        "gradients",
    ]
    assert [statistics_for([kind]) for kind in KINDS] == [[kind] for kind in KINDS]
    with pytest.raises(ValueError, match="did you mean gradients_L2_norms"):
        statistics_for(["gradient_L2_norm"])
