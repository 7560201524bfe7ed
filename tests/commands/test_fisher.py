"""The Fisher information on the command line: estimated once, kept beside the run, never another model's."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from anomaly_methods.extractors.fisher import estimate
from anomaly_methods.extractors.gradient_norms import reference_gradients
from anomaly_methods.statistics import Statistics
from models.registry import load_model
from tests.commands.calls import Call, Hierarchy

KINDS = ("fisher_diagonal", "fisher_kronecker")
NAMES = ("diagonal-data1000-seed0.safetensors", "kronecker-data1000-seed0.safetensors")


def statistics(hierarchy: Hierarchy, *more: str | Path) -> tuple[str | Path, ...]:
    kinds = ("--statistics", *KINDS, *more)
    return ("statistics", "--run", hierarchy.specific, "--data", hierarchy.outside, *kinds)


def evaluate(hierarchy: Hierarchy, *more: str | Path) -> tuple[str | Path, ...]:
    sets = ("--in-distribution", hierarchy.inside, "--out-of-distribution", hierarchy.outside)
    return ("evaluate", "--run", hierarchy.specific, *sets, *more)


def kept(hierarchy: Hierarchy) -> list[Path]:
    return sorted((hierarchy.specific / "statistics").glob("*"))


def estimates(hierarchy: Hierarchy) -> list[str]:
    return sorted(path.name for path in (hierarchy.specific / "fisher").glob("*"))


def forbid_estimates(monkeypatch: pytest.MonkeyPatch) -> None:
    def called(*_: object, **__: object) -> None:
        raise AssertionError("the Fisher information was estimated, though it is there")

    monkeypatch.setattr(estimate, "estimate_fisher", called)


def test_statistics_estimate_what_they_need_and_keep_it(
    hierarchy: Hierarchy, copied: Hierarchy, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome = call(*statistics(copied, "--group-size", "3"))
    assert outcome.code == 0
    assert estimates(copied) == list(NAMES)
    assert f"Fisher information (diagonal) from 16 images of {hierarchy.inside}: " in outcome.out
    found = [Statistics.load(path) for path in kept(copied)]
    assert [(s.meta.kind, len(s), s.meta.group_size, s.meta.dropped) for s in found] == [
        (kind, 3, 3, 1) for kind in KINDS
    ]
    assert [path.name.partition("-test-")[2] for path in kept(copied)] == [
        f"groups3-{kind}-data1000-seed0.npz" for kind in KINDS
    ]
    for kind, one in zip(KINDS, found, strict=True):
        fisher = one.meta.settings["fisher"]
        assert (fisher["source"], fisher["dataset"], fisher["images"]) == ("data", hierarchy.inside, 16)
        assert f"3 groups of 3 images, {len(one.values)} tensors" in outcome.out
        assert kind.endswith(fisher["structure"])
    forbid_estimates(monkeypatch)
    other = call("statistics", "--run", copied.specific, "--data", copied.inside, "--statistics", *KINDS)
    assert other.code == 0


def test_diagonal_values_are_the_formula_over_the_training_images(copied: Hierarchy, call: Call) -> None:
    assert call(*statistics(copied, "--limit", "4", "--fisher-damping", "0.5")).code == 0
    path = next(path for path in kept(copied) if "diagonal" in path.name)
    assert path.name.endswith("-fisher_diagonal-data1000-seed0-damping0.5.npz")
    model = load_model(copied.specific, torch.device("cpu")).double()
    training, new = (
        (torch.from_numpy(np.load(copied.folder / "data" / name)).permute(0, 3, 1, 2).double() + 0.5) / 256
        - 0.5
        for name in ("inside/train.npy", "outside.npy")
    )
    fisher, gradients = (reference_gradients(model, x) for x in (training, new[:4]))
    for name, values in Statistics.load(path).values.items():
        diagonal = fisher[name].square().mean(dim=0)
        expected = gradients[name].square() / (diagonal + 0.5 * diagonal.mean())
        np.testing.assert_allclose(values, expected.reshape(4, -1).sum(dim=1), rtol=1e-3)


def test_evaluate_computes_what_is_missing(copied: Hierarchy, call: Call) -> None:
    methods = [name for kind in KINDS for name in (kind, f"{kind}_gaussian")]
    outcome = call(*evaluate(copied, "--method", *methods, "--json", copied.folder / "t.json"))
    assert outcome.code == 0
    rows = json.loads((copied.folder / "t.json").read_text())
    assert [row["method"] for row in rows] == methods
    assert {row["n_in"] for row in rows if "gaussian" not in row["method"]} == {50}
    assert estimates(copied) == list(NAMES)
    assert len(kept(copied)) == 4


def test_samples_and_their_seed_and_number_are_estimates_of_their_own(copied: Hierarchy, call: Call) -> None:
    options = ("--fisher-from", "samples", "--fisher-images", "5", "--limit", "2")
    assert call(*statistics(copied, *options)).code == 0
    assert call(*statistics(copied, *options, "--seed", "4")).code == 0
    names = [
        f"{name}-samples5-seed{seed}.safetensors" for name in ("diagonal", "kronecker") for seed in (0, 4)
    ]
    assert estimates(copied) == names
    assert {Statistics.load(path).meta.settings["fisher"]["source"] for path in kept(copied)} == {"samples"}
    assert len({Statistics.load(path).meta.settings["fisher"]["sha256"] for path in kept(copied)}) == 4


def test_it_is_estimated_again_only_if_asked_and_once(copied: Hierarchy, call: Call) -> None:
    command = statistics(copied, "--limit", "2")
    assert call(*command).code == 0
    path = copied.specific / "fisher" / NAMES[0]
    content = path.read_bytes()
    path.write_bytes(content[:-3])
    sentence = call(*command).refusal()
    assert f"{path} is truncated or damaged" in sentence
    outcome = call(*command, "--recompute")
    assert (outcome.code, path.read_bytes()) == (0, content)
    sets = ("--data", copied.outside, copied.inside)
    again = call("statistics", "--run", copied.specific, *sets, "--statistics", *KINDS, "--recompute")
    assert again.out.count("Fisher information (diagonal) from 16 images") == 1


def test_that_of_another_checkpoint_is_refused(copied: Hierarchy, call: Call) -> None:
    assert call(*statistics(copied, "--limit", "2")).code == 0
    for path in kept(copied):
        path.unlink()
    for name in ("model.safetensors", "checkpoint.json", "training_state.pt"):
        shutil.copy(copied.general / name, copied.specific / name)
    sentence = call(*statistics(copied, "--limit", "2")).refusal()
    path = copied.specific / "fisher" / NAMES[0]
    assert f"{path} holds another Fisher information than asked for: checkpoint_sha256 is '" in sentence
    assert call(*statistics(copied, "--limit", "2", "--recompute")).code == 0


def test_training_images_that_are_gone_are_named(copied: Hierarchy, call: Call) -> None:
    config = copied.specific / "config.json"
    content = json.loads(config.read_text())
    content["data"]["name"] = f"array:{copied.folder / 'gone'}"
    config.write_text(json.dumps(content))
    sentence = call(*statistics(copied)).refusal()
    assert f"gradients of images that {copied.specific} was trained on, which are not at hand (" in sentence
    assert "--fisher-from samples" in sentence
    assert call(*statistics(copied, "--fisher-from", "samples", "--fisher-images", "5")).code == 0


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--fisher-images", "0"), "--fisher-images must be at least 1, got 0"),
        (("--fisher-damping", "0"), "--fisher-damping must be a positive fraction of the mean of F, got 0"),
        (
            ("--fisher-damping", "nan"),
            "--fisher-damping must be a positive fraction of the mean of F, got nan",
        ),
        (("--batch-size", "0"), "batch size must be at least 1, got 0"),
    ],
)
def test_options_out_of_range_are_refused(
    copied: Hierarchy, call: Call, options: tuple[str, ...], sentence: str
) -> None:
    assert sentence in call(*statistics(copied, *options)).refusal()
    assert kept(copied) == []
