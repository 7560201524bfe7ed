"""`main.py statistics`: computed once, kept beside the run, and never taken for another model's."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import numpy as np
import pytest

from anomaly_methods.statistics import Statistics
from invglow.checkpoints import weights_sha256
from models.glow import Glow
from tests.commands.calls import Call, Hierarchy, save_images


def computed(run: Path) -> list[Path]:
    return sorted((run / "statistics").glob("*"))


def forbid_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    def called(*_: object) -> None:
        raise AssertionError("the model was asked, though the statistics are there")

    monkeypatch.setattr(Glow, "scale_terms", called)


def test_they_are_written_beside_the_run_and_summed_up(copied: Hierarchy, call: Call) -> None:
    outcome = call("statistics", "--run", copied.specific, "--data", copied.inside, copied.outside)
    assert outcome.code == 0
    inside, outside = (Statistics.load(path) for path in computed(copied.specific))
    assert (len(inside), len(outside)) == (50, 10)
    assert sorted(inside.values) == sorted(
        ["log_prob", *(f"{kind}.scale{s}" for kind in ("log_prob", "log_det", "log_prior") for s in (0, 1))]
    )
    assert inside.meta.checkpoint_sha256 == weights_sha256(copied.specific)
    assert (inside.meta.dataset, inside.meta.split, inside.meta.model) == (copied.inside, "test", "specific")
    bits = 8 - inside.value("log_prob").mean() / (192 * math.log(2))
    assert f"{copied.inside}: 50 images, {bits:.3f} bits/dim, {computed(copied.specific)[0]}" in outcome.out
    assert f"Next: python main.py evaluate --run {copied.specific} --help" in outcome.out


def test_a_missing_set_is_noticed_before_another_is_computed(copied: Hierarchy, call: Call) -> None:
    command = ("statistics", "--run", copied.specific, "--data", copied.inside, "array:/nowhere.npy")
    assert "looked for at /nowhere.npy" in call(*command).refusal()
    assert not computed(copied.specific)


def test_they_are_computed_once(copied: Hierarchy, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    command = ("statistics", "--run", copied.specific, "--data", copied.inside)
    first = call(*command)
    forbid_the_model(monkeypatch)
    assert call(*command).out == first.out
    assert "the model was asked" in call(*command, "--recompute").err


@pytest.mark.parametrize(
    ("options", "rows"),
    [
        (("--limit", "5"), 5),
        (("--split", "train"), 16),
        (("--noise-draws", "2"), 50),
        (("--noise-draws", "2", "--seed", "4"), 50),
    ],
)
def test_other_options_go_into_other_files(
    copied: Hierarchy, call: Call, options: tuple[str, ...], rows: int
) -> None:
    command = ("statistics", "--run", copied.specific, "--data", copied.inside)
    assert call(*command).code == 0
    assert call(*command, *options).code == 0
    whole, other = sorted(map(Statistics.load, computed(copied.specific)), key=lambda s: s.meta.noise_draws)
    assert {len(whole), len(other)} == {50, rows}
    assert call(*command).code == 0


def test_the_batch_size_changes_nothing_but_rounding(copied: Hierarchy, call: Call) -> None:
    command = ("statistics", "--run", copied.specific, "--data", copied.inside)
    values = []
    for size in ("7", "100"):
        assert call(*command, "--batch-size", size, "--recompute").code == 0
        values.append(Statistics.load(computed(copied.specific)[0]).value("log_prob"))
    np.testing.assert_allclose(values[0], values[1], rtol=1e-5)


def test_those_of_another_model_are_refused_until_recomputed(copied: Hierarchy, call: Call) -> None:
    command = ("statistics", "--run", copied.specific, "--data", copied.inside)
    assert call(*command).code == 0
    for name in ("model.safetensors", "checkpoint.json", "training_state.pt"):
        shutil.copy(copied.general / name, copied.specific / name)
    before = computed(copied.specific)[0].read_bytes()
    sentence = call(*command).refusal()
    assert (
        f"{computed(copied.specific)[0]} holds other statistics than asked for: checkpoint_sha256" in sentence
    )
    assert computed(copied.specific)[0].read_bytes() == before
    assert call(*command, "--recompute").code == 0
    found = Statistics.load(computed(copied.specific)[0])
    assert found.meta.checkpoint_sha256 == weights_sha256(copied.general)


def test_those_of_changed_images_are_refused(copied: Hierarchy, call: Call) -> None:
    data = save_images(copied.folder / "own.npy", 6)
    assert call("statistics", "--run", copied.specific, "--data", data).code == 0
    save_images(copied.folder / "own.npy", 6, seed=8)
    sentence = call("statistics", "--run", copied.specific, "--data", data).refusal()
    assert "holds other statistics than asked for: dataset_sha256" in sentence


def test_a_truncated_file_is_refused_by_name_and_can_be_recomputed(copied: Hierarchy, call: Call) -> None:
    command = ("statistics", "--run", copied.specific, "--data", copied.inside)
    assert call(*command).code == 0
    (path,) = computed(copied.specific)
    path.write_bytes(path.read_bytes()[:-100])
    assert str(path) in call(*command).refusal()
    assert call(*command, "--recompute").code == 0
    assert call(*command).code == 0


def test_sets_of_like_names_have_files_of_their_own(copied: Hierarchy, call: Call) -> None:
    sets = [
        save_images(copied.folder / name / "images.npy", 6, seed=len(name)) for name in ("a", "b/a", "b-a")
    ]
    assert call("statistics", "--run", copied.specific, "--data", *sets).code == 0
    assert [Statistics.load(path).meta.dataset_sha256 for path in computed(copied.specific)].count("") == 0
    assert len(computed(copied.specific)) == 3


def test_colour_images_are_read_in_grey_for_a_grey_run(
    tmp_path: Path, call: Call, hierarchy: Hierarchy
) -> None:
    grey = save_images(tmp_path / "grey.npy", 12, channels=1)
    size = ("--scales", "1", "--steps-per-scale", "1", "--hidden-channels", "4", "--steps", "1")
    assert call("train", "--data", grey, "--run", tmp_path / "run", *size).code == 0
    command = ("statistics", "--run", tmp_path / "run", "--data", hierarchy.outside)
    assert (
        "has colour images, but the model takes grey ones: read it in grey (--grey)"
        in call(*command).refusal()
    )
    assert call(*command, "--grey").code == 0
    assert Statistics.load(computed(tmp_path / "run")[0]).meta.image_shape == (1, 8, 8)


def test_an_interrupted_computation_goes_on(
    copied: Hierarchy, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ("statistics", "--run", copied.specific, "--data", copied.inside, copied.outside)
    with monkeypatch.context() as patch:
        patch.setattr(Glow, "scale_terms", interrupted_in_the_second(Glow.scale_terms))
        assert call(*command, "--batch-size", "50").code == 130
    assert len(computed(copied.specific)) == 1
    outcome = call(*command)
    assert outcome.code == 0
    assert len(computed(copied.specific)) == 2


def interrupted_in_the_second(real: object) -> object:
    calls = []

    def scale_terms(*arguments: object) -> object:
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*arguments)  # type: ignore[operator]

    return scale_terms


def test_gradient_norms_of_groups_are_computed_and_the_rest_is_counted(copied: Hierarchy, call: Call) -> None:
    kinds = ("--statistics", "likelihood", "gradients", "--group-size", "3", "--limit", "10")
    outcome = call("statistics", "--run", copied.specific, "--data", copied.inside, *kinds)
    assert outcome.code == 0
    gradients, likelihood = (Statistics.load(path) for path in computed(copied.specific))
    assert (gradients.meta.kind, likelihood.meta.kind) == ("gradients", "likelihood")
    assert (len(gradients), len(likelihood), gradients.meta.group_size) == (3, 3, 3)
    assert all((values > 0).all() for name, values in gradients.values.items() if "log_scale" in name)
    assert f"3 groups of 3 images, {len(gradients.values)} tensors" in outcome.out
    assert outcome.out.count("left out: the last 1 images") == 2
