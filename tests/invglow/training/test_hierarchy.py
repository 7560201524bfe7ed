"""Training against the general model: what the loss is made of, and what is left out of it."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from torch import Tensor, nn

from invglow.checkpoints import load_weights
from invglow.data.batches import TrainingBatches
from invglow.training import TrainingConfig
from invglow.training.hierarchy import AgainstGeneral, LabelTerm, OutlierTerm
from invglow.training.losses import margin_losses, outlier_losses, wrong_class_losses
from invglow.training.objective import Batch
from invglow.training.step import TrainingStep
from tests.invglow.training.toys import CPU, Gaussian, GaussianMixture, Killed, make_images, make_trainer

INSIDE, GENERAL = make_images(seed=3, labels=3), make_images(40, seed=4)
T = 5.0


class Brittle(Gaussian):
    """Overflows for images whose first pixel is above a limit; the derivative is then not finite either."""

    def __init__(self, limit: float = 0.2) -> None:
        super().__init__()
        self.limit = limit

    def log_prob(self, x: Tensor) -> Tensor:
        return super().log_prob(x) - (self.loc.mean() * overflow(x, self.limit)).square()


class Blind(Gaussian):
    """Has no finite likelihood for images whose first pixel is above a limit."""

    def log_prob(self, x: Tensor) -> Tensor:
        return super().log_prob(x) - overflow(x, 0.2).square()


def overflow(x: Tensor, limit: float) -> Tensor:
    return (x[:, 0, 0, 0] - limit).clamp_min(0) * 1e30


def batches(images: Any, seed: int = 0) -> TrainingBatches:
    return TrainingBatches(images, batch_size=5, seed=seed)


def outlier_term(loss: Literal["class", "margin"] = "class", weight: float = 6.0) -> OutlierTerm:
    return OutlierTerm(batches(GENERAL, seed=9), loss, weight, T)


def general_model() -> Gaussian:
    model = Gaussian()
    nn.init.constant_(model.loc, 0.1)
    return model.requires_grad_(requires_grad=False).eval()


def losses_of(objective: AgainstGeneral, model: Any, step: int = 0) -> dict[str, float]:
    loss = objective.loss(model, objective.batch(step, batches(INSIDE)(step)))
    assert loss.total.item() == pytest.approx(sum(part.item() for part in loss.parts.values()))
    return {name: part.item() for name, part in loss.parts.items()}


# --- what the loss is made of --------------------------------------------------------------------


def test_a_step_sees_a_batch_of_the_general_set_of_its_own_seed() -> None:
    objective = AgainstGeneral(general_model(), outlier_term())
    x = batches(INSIDE)(7)
    batch = objective.batch(7, x)
    assert batch.labels is None
    assert batch.images is x
    assert batch.outliers is not None
    assert torch.equal(batch.outliers, batches(GENERAL, seed=9)(7))


def test_the_outlier_loss_compares_the_two_models_on_general_images() -> None:
    model, general = Gaussian(), general_model()
    found = losses_of(AgainstGeneral(general, outlier_term()), model, step=2)
    outliers, inside = batches(GENERAL, seed=9)(2), batches(INSIDE)(2)
    expected = outlier_losses(model.log_prob(outliers), general.log_prob(outliers), T)
    assert found == {
        "likelihood": pytest.approx(-model.log_prob(inside).mean().item()),
        "outlier": pytest.approx(6 * expected.mean().item()),
    }


def test_the_margin_loss_compares_each_general_image_with_its_partner_by_the_dimensions() -> None:
    model = Gaussian()
    found = losses_of(AgainstGeneral(general_model(), outlier_term("margin", weight=2.0)), model)
    outside, inside = (model.log_prob(x) for x in (batches(GENERAL, seed=9)(0), batches(INSIDE)(0)))
    assert found["outlier"] == pytest.approx(2 * margin_losses(outside, inside, 16.0).mean().item())
    assert found["outlier"] > 0


def test_the_margin_counts_the_dimensions_of_all_channels() -> None:
    colour = make_images(10, channels=3)
    term = OutlierTerm(batches(colour), "margin", 1.0)
    zero = torch.zeros(2)
    assert term.losses(zero, zero, zero).tolist() == [48.0, 48.0]


def test_the_label_loss_takes_the_labels_of_the_images() -> None:
    model, general = GaussianMixture(3), general_model()
    found = losses_of(AgainstGeneral(general, labels=LabelTerm(batches(INSIDE), 4.0, T)), model, step=1)
    x, labels = batches(INSIDE)(1), batches(INSIDE).labels(1)
    class_log_probs = model.class_log_probs(x)
    wrong = wrong_class_losses(class_log_probs, labels, general.log_prob(x), T)
    assert found == {
        "likelihood": pytest.approx(-class_log_probs[torch.arange(5), labels].mean().item()),
        "label": pytest.approx(4 * wrong.mean().item()),
    }


def test_both_losses_together_take_the_mixture_for_general_images() -> None:
    model, general = GaussianMixture(3), general_model()
    labels = LabelTerm(batches(INSIDE), 4.0, T)
    found = losses_of(AgainstGeneral(general, outlier_term(), labels), model)
    outliers = batches(GENERAL, seed=9)(0)
    expected = outlier_losses(model.log_prob(outliers), general.log_prob(outliers), T)
    assert found["outlier"] == pytest.approx(6 * expected.mean().item())
    assert found["label"] == losses_of(AgainstGeneral(general, labels=labels), model)["label"]


def test_a_model_with_classes_may_learn_without_labels() -> None:
    model = GaussianMixture(3)
    found = losses_of(AgainstGeneral(general_model(), outlier_term()), model)
    assert found["likelihood"] == pytest.approx(-model.log_prob(batches(INSIDE)(0)).mean().item())


def test_the_general_model_gets_no_gradient() -> None:
    model, general = Gaussian(), Gaussian()
    objective = AgainstGeneral(general, outlier_term())
    objective.loss(model, objective.batch(0, batches(INSIDE)(0))).total.backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    assert all(parameter.grad is None for parameter in general.parameters())


# --- what is left out -----------------------------------------------------------------------------


@pytest.mark.parametrize("loss", ["class", "margin"])
def test_general_images_that_overflow_leave_loss_and_gradient_finite(
    loss: Literal["class", "margin"],
) -> None:
    model, inside = Brittle(), make_images(seed=3, top=100)
    objective = AgainstGeneral(general_model(), outlier_term(loss))
    batch = objective.batch(0, batches(inside)(0))
    assert batch.outliers is not None
    bad = overflow(batch.outliers, model.limit) > 0
    assert 0 < bad.sum() < 5
    found = objective.loss(model, batch)
    assert int(found.left_out) == int(bad.sum())
    found.total.backward()
    clean = Brittle()
    kept = Batch(batch.images[~bad], None, batch.outliers[~bad])
    expected = objective.loss(clean, kept).parts["outlier"] * len(kept.images) / 5
    assert found.parts["outlier"].item() == pytest.approx(expected.item())
    (expected - clean.log_prob(batch.images).mean()).backward()
    for mine, other in zip(model.parameters(), clean.parameters(), strict=True):
        assert mine.grad is not None
        assert other.grad is not None
        torch.testing.assert_close(mine.grad, other.grad)


def test_general_images_without_a_likelihood_under_the_general_model_are_left_out() -> None:
    model, blind = Gaussian(), Blind()
    objective = AgainstGeneral(blind, outlier_term())
    batch = objective.batch(0, batches(INSIDE)(0))
    found = objective.loss(model, batch)
    assert batch.outliers is not None
    seen = overflow(batch.outliers, 0.2) == 0
    assert int(found.left_out) == int((~seen).sum()) > 0
    mine = outlier_losses(model.log_prob(batch.outliers), blind.log_prob(batch.outliers), T)
    assert found.parts["outlier"].item() == pytest.approx(6 * mine[seen].sum().item() / 5)


def test_the_label_loss_leaves_out_what_the_general_model_cannot_judge() -> None:
    model, blind = GaussianMixture(3), Blind()
    objective = AgainstGeneral(blind, labels=LabelTerm(batches(INSIDE), 1.0, T))
    batch = objective.batch(0, batches(INSIDE)(0))
    found = objective.loss(model, batch)
    seen = overflow(batch.images, 0.2) == 0
    assert int(found.left_out) == int((~seen).sum()) > 0
    assert batch.labels is not None
    wrong = wrong_class_losses(
        model.class_log_probs(batch.images), batch.labels, blind.log_prob(batch.images), T
    )
    assert found.parts["label"].item() == pytest.approx(wrong[seen].sum().item() / 5)


def test_where_no_general_image_is_left_the_likelihood_is_learned_alone() -> None:
    model = Brittle(limit=-0.6)
    objective = AgainstGeneral(general_model(), outlier_term())
    batch = objective.batch(0, torch.full((5, 1, 4, 4), -0.6))
    found = objective.loss(model, batch)
    assert int(found.left_out) == 5
    assert found.parts["outlier"].item() == 0
    found.total.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


def test_an_image_to_learn_that_is_not_finite_skips_the_step() -> None:
    model = Brittle()
    step = TrainingStep(model, TrainingConfig(steps=9), CPU, AgainstGeneral(general_model(), outlier_term()))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    assert step(0, torch.full((5, 1, 4, 4), 0.4)).skipped
    torch.testing.assert_close(dict(model.state_dict()), before, rtol=0, atol=0)
    assert step.skipped == 1


# --- over a whole training ------------------------------------------------------------------------


def train(run: Path, model: Gaussian, **settings: Any) -> Any:
    """Train on dark images against bright ones."""
    run.mkdir(exist_ok=True)
    objective = AgainstGeneral(general_model(), outlier_term("class", weight=20.0))
    settings = {"images": make_images(seed=3, top=120), "objective": objective, **settings}
    return make_trainer(run, model, checkpoint_every=3, **settings).train()


def lines_of(run: Path) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name != "images_per_second"} for line in found]


def test_metrics_have_the_parts_of_the_loss_and_what_was_left_out(tmp_path: Path) -> None:
    result = train(tmp_path, Brittle(limit=0.3))
    lines = lines_of(tmp_path)
    for line in lines:
        assert line["loss"] == pytest.approx(line["loss/likelihood"] + line["loss/outlier"])
        bits = 8 + line["loss/likelihood"] / (16 * math.log(2))
        assert line["bits_per_dim/batch"] == pytest.approx(bits)
    assert [line["left_out"] for line in lines] == sorted(line["left_out"] for line in lines)
    assert lines[-1]["left_out"] == result.left_out > 0


def test_interrupted_it_ends_with_the_same_weights_metrics_and_counts(tmp_path: Path) -> None:
    whole = train(tmp_path / "whole", Brittle(limit=0.3))
    killed = Brittle(limit=0.3)
    killed.killed_in = 11  # steps that leave images out ask it twice
    with pytest.raises(Killed):
        train(tmp_path / "killed", killed)
    resumed = train(tmp_path / "killed", Brittle(limit=0.3))
    assert 0 < resumed.steps_before < 12
    assert resumed.left_out == whole.left_out
    torch.testing.assert_close(
        load_weights(tmp_path / "killed"), load_weights(tmp_path / "whole"), rtol=0, atol=0
    )
    assert lines_of(tmp_path / "killed") == lines_of(tmp_path / "whole")


def test_a_checkpoint_of_an_earlier_version_counts_from_zero() -> None:
    step = TrainingStep(Gaussian(), TrainingConfig(steps=9), CPU)
    state: Any = step.state_dict()
    del state["left_out"]
    step.load_state_dict(state)
    assert step.left_out == 0


# --- over processes -------------------------------------------------------------------------------


def both(rank: int = 0, world_size: int = 1) -> tuple[AgainstGeneral, TrainingBatches]:
    """Return outlier and label loss of one of several processes, and its images to learn."""

    def share(images: Any, seed: int) -> TrainingBatches:
        return TrainingBatches(images, batch_size=6, seed=seed, rank=rank, world_size=world_size)

    mine = share(INSIDE, 0)
    outliers = OutlierTerm(share(GENERAL, 9), "class", 6.0, T)
    return AgainstGeneral(Blind(), outliers, LabelTerm(mine, 4.0, T)), mine


def gradient_of(objective: AgainstGeneral, batches: TrainingBatches, model: GaussianMixture) -> Tensor:
    loss = objective.loss(model, objective.batch(0, batches(0)))
    return torch.autograd.grad(loss.total, model.loc)[0]


def test_the_mean_over_processes_is_what_one_process_computes() -> None:
    model = GaussianMixture(3)
    whole, images = both()
    found = whole.loss(model, whole.batch(0, images(0)))
    assert found.left_out > 0
    shares = [both(rank, world_size=2) for rank in (0, 1)]
    losses = [objective.loss(model, objective.batch(0, mine(0))) for objective, mine in shares]
    for name, part in found.parts.items():
        assert sum(loss.parts[name].item() for loss in losses) / 2 == pytest.approx(part.item())
    assert sum(int(loss.left_out) for loss in losses) == int(found.left_out)
    mean = sum(gradient_of(objective, mine, model) for objective, mine in shares) / 2
    torch.testing.assert_close(mean, gradient_of(whole, images, model))


@pytest.mark.skipif(not torch.distributed.is_available(), reason="this torch cannot run in several processes")
def test_a_data_parallel_wrapper_passes_batches_and_losses_through(tmp_path: Path) -> None:
    model, (objective, images) = GaussianMixture(3), both()
    expected = gradient_of(objective, images, model)
    step = TrainingStep(model, TrainingConfig(steps=9), CPU, objective)
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{tmp_path / 'store'}", rank=0, world_size=1
    )
    try:
        parallel = nn.parallel.DistributedDataParallel(step.parallel)
        loss = parallel(objective.batch(0, images(0)))
        loss.total.backward()
    finally:
        torch.distributed.destroy_process_group()
    assert sorted(loss.parts) == ["label", "likelihood", "outlier"]
    torch.testing.assert_close(model.loc.grad, expected)
