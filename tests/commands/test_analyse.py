"""`main.py analyse`: each analysis from runs and sets to a table, a JSON and a CSV file."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import spearmanr

from anomaly_methods.statistics import Statistics
from models.glow import Glow
from tests.commands.calls import Call, Hierarchy


def rows(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(path.read_text())
    with path.with_suffix(".csv").open() as file:
        lines = list(csv.DictReader(file))
    assert [list(line) for line in lines] == [list(row) for row in found]
    assert [list(line.values()) for line in lines] == [
        ["" if value is None else str(value) for value in row.values()] for row in found
    ]
    return found


def likelihoods(run: Path, spec: str) -> Statistics:
    (path,) = (run / "statistics").glob(f"*{Path(spec).stem}*-test-likelihood.npz")
    return Statistics.load(path)


def test_ranks_compare_runs_of_different_sets(copied: Hierarchy, call: Call) -> None:
    sets = ("--data", copied.inside, copied.outside)
    others = ("--others", copied.general, copied.specific / "general")
    outcome = call("analyse", "ranks", "--run", copied.specific, *others, *sets)
    assert outcome.code == 0
    found = rows(copied.specific / "analyses" / "ranks.json")
    assert len(found) == 9  # three pairs of runs; two sets, and both together
    assert (found[0]["model"], found[0]["other"], found[0]["n"]) == ("specific", "runs/general", 50)
    pair = [likelihoods(run, copied.inside).value("log_prob") for run in (copied.specific, copied.general)]
    assert found[0]["spearman"] == pytest.approx(spearmanr(*pair).statistic)
    assert found[2]["dataset"] == "(all)"
    assert f"{found[0]['spearman']:.4g}" in outcome.out
    assert f"Written: {copied.specific / 'analyses' / 'ranks.json'}" in outcome.out


def test_runs_whose_folders_have_one_name_are_told_apart(copied: Hierarchy, call: Call) -> None:
    shutil.copytree(copied.general, copied.folder / "other" / "general")
    for name in ("model.safetensors", "checkpoint.json", "training_state.pt"):
        shutil.copy(copied.specific / name, copied.folder / "other" / "general" / name)
    others = ("--others", copied.folder / "other" / "general", "--data", copied.outside)
    assert call("analyse", "ranks", "--run", copied.general, *others).code == 0
    (row,) = rows(copied.general / "analyses" / "ranks.json")
    assert (row["model"], row["other"]) == ("runs/general", "other/general")


def test_shares_of_scales_are_tabled(copied: Hierarchy, call: Call, tmp_path: Path) -> None:
    sets = ("--data", copied.inside, copied.outside)
    path = tmp_path / "shares.json"
    assert call("analyse", "scales", "--run", copied.specific, *sets, "--json", path).code == 0
    found = rows(path)
    assert [(row["dataset"], row["scale"]) for row in found] == [
        (spec, scale) for spec in (copied.inside, copied.outside) for scale in ("0", "1", "total")
    ]
    assert found[0]["mean"] + found[1]["mean"] == pytest.approx(found[2]["mean"])
    assert found[0]["auroc"] is None
    assert 0 <= found[5]["auroc"] <= 1
    assert not (copied.specific / "analyses").exists()


def test_perturbations_are_carried_both_ways(
    copied: Hierarchy, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ("analyse", "perturbations", "--run", copied.specific, "--data", copied.outside)
    options = ("--limit", "6", "--norm", "0.001", "--directions", "2")
    outcome = call(*command, *options)
    assert outcome.code == 0
    found = rows(copied.specific / "analyses" / "perturbations.json")
    assert [(row["perturbed"], row["scale"]) for row in found] == [
        (way, scale) for way in ("latents", "image") for scale in ("total", "0", "1")
    ]
    assert all(row["n"] == 6 and row["norm"] == 0.001 and row["q05"] <= row["median"] for row in found)
    assert all(row["median"] > 0 for row in found)

    def called(*_: object) -> None:
        raise AssertionError("the model was asked, though the statistics are there")

    monkeypatch.setattr(Glow, "latents", called)
    assert call(*command, *options).out == outcome.out
    with pytest.raises(AssertionError, match="the model was asked"):
        call(*command, *options, "--seed", "1")


def test_variants_of_images_are_made_kept_and_judged(copied: Hierarchy, call: Call) -> None:
    command = ("analyse", "variants", "--run", copied.specific, "--data", copied.outside)
    outcome = call(*command, "--limit", "6", "--blur", "1", "--contrast", "0.5", "2")
    assert outcome.code == 0
    found = rows(copied.specific / "analyses" / "variants.json")
    names = ["constant", "noise", "shuffled", "blur1", "contrast0.5", "contrast2"]
    assert [row["variant"] for row in found] == ["original", *names]
    assert all(row["n"] == 6 for row in found)
    arrays = sorted((copied.specific / "analyses" / "variants").glob("*.npy"))
    assert len(arrays) == len(names)
    kept = {path.stem: np.load(path, allow_pickle=False) for path in arrays}
    assert {(array.shape, array.dtype.name) for array in kept.values()} == {((6, 8, 8, 3), "uint8")}
    (constant,) = (array for name, array in kept.items() if "constant" in name)
    pixels = np.load(copied.outside.removeprefix("array:"))[:6]
    np.testing.assert_array_equal(constant[:, 3, 4], np.rint(pixels.mean(axis=(1, 2))))
    (path,) = (copied.specific / "statistics").glob("*constant*")
    assert Statistics.load(path).meta.dataset == f"constant of {copied.outside}"
    assert found[1]["mean"] == pytest.approx(Statistics.load(path).value("log_prob").mean())
    again = call(*command, "--limit", "6", "--blur", "1", "--contrast", "0.5", "2")
    assert again.out == outcome.out


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("ranks", "--others", "{nowhere}", "--data", "{outside}"), "nowhere"),
        (("ranks", "--others", "{specific}", "--data", "{outside}"), "one is named twice"),
        (("scales", "--data", "{outside}", "--json", "rows.csv"), "--json names the JSON file"),
        (("perturbations", "--data", "{outside}", "--norm", "0"), "a norm above 0"),
        (("perturbations", "--data", "{outside}", "--noise-draws", "2"), "leave --noise-draws out"),
        (("variants", "--data", "{outside}", "--blur", "-1"), "Blurs must be above 0"),
        (("variants", "--data", "no-such-set"), "There is no image set called"),
    ],
)
def test_bad_input_is_one_sentence(
    copied: Hierarchy, call: Call, command: tuple[str, ...], said: str
) -> None:
    places = {"nowhere": copied.folder / "nowhere", "specific": copied.specific, "outside": copied.outside}
    name, *rest = (word.format(**places) for word in command)
    outcome = call("analyse", name, "--run", copied.specific, *rest)
    assert outcome.code == 2
    assert outcome.err.splitlines()[-1].startswith("error: ")
    assert said in outcome.err.splitlines()[-1]
    assert not (copied.specific / "analyses" / f"{name}.json").exists()
