"""Plans of losses besides the likelihood: what they refuse, and what a run records of them."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from invglow.checkpoints import load_weights, read_config, weights_sha256, write_config
from invglow.data.batches import TrainingBatches
from invglow.data.image_set import ImageSet
from invglow.training.hierarchy import LabelTerm, OutlierTerm
from models.glow import ClassConditionalGlow
from models.objectives import LabelPlan, OutlierPlan, class_count, objective_of
from models.registry import load_model
from models.runs import Origin, RunPlan, train_run
from tests.invglow.training.toys import make_images
from tests.models.toys import CPU, make_plan, train

GENERAL = make_images(30, size=8, seed=8, name="general")
LABELLED = make_images(size=8, seed=5, labels=3)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(tmp_path_factory.mktemp("runs") / "base", images=GENERAL)


def plan_of(run: Path, base: Path, *, relation: Any = "base", **changes: Any) -> RunPlan:
    """Return a plan of 3 steps of 5 labelled images, with fields of `RunPlan` changed."""
    extra = {name: changes.pop(name) for name in ("outliers", "labels") if name in changes}
    changes = {"images": LABELLED, **changes}
    return replace(make_plan(run, Origin(base, relation), **changes), **extra)


# --- labels -----------------------------------------------------------------------------------------


def labelled(labels: list[int]) -> ImageSet:
    return replace(make_images(len(labels)), labels=np.array(labels))


def test_classes_are_counted() -> None:
    assert class_count(labelled([2, 0, 1, 1])) == 3


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [
        ([0, 1, -1], "must be 0 or more, got -1: number the classes from 0"),
        ([0, 1, 3], "go up to 3, but none of its 3 images has label 2: number the classes without a gap"),
        ([1, 2, 2], "go up to 2, but none of its 3 images has label 0"),
        ([0, 10**9], "go up to 1000000000, but none of its 2 images has label 1"),
        ([0, 0, 0], "name one class only: train without labels"),
    ],
)
def test_labels_out_of_range_are_refused(labels: list[int], sentence: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f"The labels of toys (train) {sentence}")):
        class_count(labelled(labels))


def test_a_set_without_labels_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"toys \(train\) has no labels to learn from: choose a set that has"
    ):
        class_count(make_images())


# --- settings out of range --------------------------------------------------------------------------


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["weight", "temperature"])
def test_weights_and_temperatures_are_positive(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"The {name} of the outlier loss must be a positive number, got"):
        OutlierPlan(GENERAL, **{name: value})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=f"The {name} of the label loss must be a positive number, got"):
        LabelPlan(3, **{"weight": 1.0, name: value})


def test_an_unknown_loss_is_refused() -> None:
    with pytest.raises(ValueError, match="must be class or margin, got 'hinge'"):
        OutlierPlan(GENERAL, "hinge")  # type: ignore[arg-type]


def test_a_general_set_of_another_shape_is_refused(base: Path, tmp_path: Path) -> None:
    images = make_images(size=16, name="large")
    with pytest.raises(ValueError, match="large has images of 16x16 pixels, but the model takes 8x8"):
        train_run(plan_of(tmp_path / "run", base, outliers=OutlierPlan(images)), CPU)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("relation", ["continue", None])
def test_losses_need_a_general_model(base: Path, tmp_path: Path, relation: str | None) -> None:
    plan = plan_of(tmp_path / "run", base, relation=relation or "base", outliers=OutlierPlan(GENERAL))
    if relation is None:
        plan = replace(plan, origin=None, model=make_plan(tmp_path).model)
    with pytest.raises(ValueError, match="need a general model to compare with, as the base"):
        train_run(plan, CPU)
    assert not (tmp_path / "run").exists()


def test_a_base_with_other_classes_is_refused(base: Path, tmp_path: Path) -> None:
    train_run(plan_of(tmp_path / "three", base, labels=LabelPlan(3, 1.0)), CPU)
    four = make_images(size=8, labels=4)
    with pytest.raises(ValueError, match=r"three has 3 classes, the labels of toys name 4: start from a run"):
        train_run(plan_of(tmp_path / "run", tmp_path / "three", images=four, labels=LabelPlan(4, 1.0)), CPU)


# --- what is minimised ------------------------------------------------------------------------------


def test_the_terms_have_the_settings_of_their_plans(base: Path) -> None:
    general = load_model(base, CPU)
    inside, outside = TrainingBatches(LABELLED, 5, seed=0), TrainingBatches(GENERAL, 5, seed=1)
    plans: dict[str, Any] = {
        "outliers": OutlierPlan(GENERAL, "margin", 5.0, 30.0),
        "labels": LabelPlan(3, 2.0, 40.0),
    }
    objective = objective_of(general, inside, outside, **plans)
    assert objective.general is general
    assert objective.outliers == OutlierTerm(outside, "margin", 5.0, 30.0)
    assert objective.labels == LabelTerm(inside, 2.0, 40.0)


# --- what a run records -----------------------------------------------------------------------------


def test_an_outlier_loss_is_recorded_with_its_set(base: Path, tmp_path: Path) -> None:
    train_run(plan_of(tmp_path / "run", base, outliers=OutlierPlan(GENERAL, "class", 5.0, 30.0)), CPU)
    config = read_config(tmp_path / "run")
    assert config["outliers"] == {
        "name": "general",
        "split": "train",
        "images": 30,
        "image_shape": [1, 8, 8],
        "grey": False,
        "sha256": GENERAL.sha256(),
        "loss": "class",
        "weight": 5.0,
        "temperature": 30.0,
    }
    assert OutlierPlan(GENERAL, "margin", 5.0, 30.0).settings()["temperature"] is None  # it has none
    assert config["labels"] is None
    assert config["origin"]["sha256"] == weights_sha256(base)


def test_a_label_loss_is_recorded_and_its_model_has_classes(base: Path, tmp_path: Path) -> None:
    train_run(plan_of(tmp_path / "run", base, labels=LabelPlan(3, 2.0)), CPU)
    config = read_config(tmp_path / "run")
    assert config["model"]["settings"]["classes"] == 3
    assert {**config["labels"], "sha256": None} == {
        "classes": 3,
        "weight": 2.0,
        "temperature": 1000.0,
        "sha256": None,
    }
    model = load_model(tmp_path / "run", CPU)
    assert isinstance(model, ClassConditionalGlow)
    assert model.classes == 3


def test_fine_tuning_with_labels_starts_from_the_density_of_the_base(base: Path, tmp_path: Path) -> None:
    still = plan_of(tmp_path / "run", base, labels=LabelPlan(3, 1.0), steps=1, learning_rate=1e-30)
    train_run(still, CPU)
    x = torch.rand(4, 1, 8, 8, generator=torch.Generator().manual_seed(0)) - 0.5
    with torch.inference_mode():
        model, general = load_model(tmp_path / "run", CPU), load_model(base, CPU)
        assert isinstance(model, ClassConditionalGlow)
        expected = general.log_prob(x)
        torch.testing.assert_close(model.class_log_probs(x), expected[:, None].expand(4, 3))


@pytest.mark.parametrize(
    ("change", "setting"),
    [
        ({"outliers": OutlierPlan(GENERAL, "class", 7.0)}, "outliers.weight = 6000.0, asked for was 7.0"),
        ({"outliers": OutlierPlan(GENERAL, "margin")}, "outliers.loss = class, asked for was margin"),
        ({"outliers": OutlierPlan(make_images(30, size=8, name="general"))}, "outliers.sha256 = "),
        ({"outliers": None}, "outliers = {'name': 'general', "),
        ({"labels": None}, "model.settings = {"),
        ({"labels": LabelPlan(3, 4.0)}, "labels.weight = 1.0, asked for was 4.0"),
        (
            {"images": replace(LABELLED, labels=np.roll(np.asarray(LABELLED.labels), 1))},
            "labels.sha256 = ",
        ),
    ],
)
def test_other_losses_are_refused_by_name(
    base: Path, tmp_path: Path, change: dict[str, Any], setting: str
) -> None:
    losses = {"outliers": OutlierPlan(GENERAL), "labels": LabelPlan(3, 1.0)}
    train_run(plan_of(tmp_path / "run", base, **losses, steps=1), CPU)
    assert train_run(plan_of(tmp_path / "run", base, **losses, steps=1), CPU).steps_before == 1
    with pytest.raises(ValueError, match=re.escape(f"holds a run with {setting}")):
        train_run(plan_of(tmp_path / "run", base, **{**losses, **change}, steps=1), CPU)


def test_a_run_from_before_there_were_such_losses_is_gone_on_with(base: Path, tmp_path: Path) -> None:
    train_run(plan_of(tmp_path / "run", base), CPU)
    config = read_config(tmp_path / "run")
    assert (config.pop("outliers"), config.pop("labels")) == (None, None)
    write_config(tmp_path / "run", config)
    assert train_run(plan_of(tmp_path / "run", base), CPU).steps_before == 3
    load_model(tmp_path / "run", CPU)
    with pytest.raises(
        ValueError, match=r"holds a run with outliers = None, asked for was \{'name': 'general'"
    ):
        train_run(plan_of(tmp_path / "run", base, outliers=OutlierPlan(GENERAL)), CPU)


def test_the_general_set_has_an_order_of_its_own_and_both_are_named_by_the_seed(
    base: Path, tmp_path: Path
) -> None:
    def weights(name: str, **changes: Any) -> dict[str, torch.Tensor]:
        plan = plan_of(tmp_path / name, base, outliers=OutlierPlan(GENERAL), **changes)
        train_run(plan, CPU)
        return load_weights(tmp_path / name)

    one, same, other = weights("one"), weights("same"), weights("other", seed=1)
    torch.testing.assert_close(one, same, rtol=0, atol=0)
    assert any(not torch.equal(one[name], other[name]) for name in one)
