"""Training from start to end, and from wherever it was interrupted to the same end."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from invglow.checkpoints import load_training_state, load_weights, newest_checkpoint, save_checkpoint
from invglow.files import sha256_of_file
from invglow.training import Evaluation, Trainer
from tests.invglow.training.toys import Gaussian, Killed, make_images, make_trainer

STEPS = 12
EVALUATION = Evaluation({"train": make_images(seed=0), "test": make_images(seed=1)})


def trainer(run: Path, model: Gaussian | None = None, **settings: Any) -> Trainer:
    settings = {"evaluation": EVALUATION, "evaluate_every": 5, "checkpoint_every": 3, **settings}
    return make_trainer(run, model, **settings)


def metrics(run: Path) -> list[dict[str, Any]]:
    """Return the lines of the metrics, without what depends on the clock."""
    found = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name != "images_per_second"} for line in found]


def assert_same_weights(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    torch.testing.assert_close(one, other, rtol=0, atol=0)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("uninterrupted")
    trainer(run).train()
    return run


def test_the_loss_falls_to_what_the_images_allow(tmp_path: Path) -> None:
    result = make_trainer(tmp_path, steps=300, learning_rate=0.05, log_every=10).train()
    losses = [line["loss"] for line in metrics(tmp_path)]
    # Uniform pixels have the variance 1/12; a Gaussian fitted to them costs half a log of 2 pi e / 12 each.
    best = 16 * 0.5 * torch.log(torch.tensor(2 * torch.pi * torch.e / 12)).item()
    assert losses[0] > best + 5
    assert sum(losses[-5:]) / 5 == pytest.approx(best, abs=0.8)
    assert (result.steps, result.steps_before, result.skipped) == (300, 0, 0)


def test_metrics_have_every_step_and_every_evaluation_once(uninterrupted: Path) -> None:
    found = metrics(uninterrupted)
    losses = [line["step"] for line in found if "loss" in line]
    evaluations = [line for line in found if "loss" not in line]
    assert losses == list(range(1, STEPS + 1))
    assert [line["step"] for line in evaluations] == [5, 10, 12]
    assert all({"bits_per_dim/train", "bits_per_dim/test"} < set(line) for line in evaluations)
    assert len(list((uninterrupted / "tensorboard").iterdir())) == 1


@pytest.mark.parametrize(
    ("slow", "every", "steps"),
    [(False, None, [5, 10, 12]), (True, None, [12]), (True, 4, [4, 8, 12]), (False, 7, [7, 12])],
)
def test_samples_are_drawn_as_often_as_they_are_cheap_or_wanted(
    slow: bool, every: int | None, steps: list[int], tmp_path: Path
) -> None:
    class Sampling(Gaussian):
        samples_slowly = slow

        def sample(
            self, n: int, generator: torch.Generator | None = None, temperature: float = 1.0
        ) -> Tensor:
            drawn.append(len(metrics(tmp_path)))  # lines of steps and of evaluations
            return super().sample(n, generator, temperature)

    drawn: list[int] = []
    trainer(tmp_path, Sampling(), samples_every=every).train()
    found = metrics(tmp_path)
    assert [found[lines - 1]["step"] for lines in drawn] == steps


def test_samples_at_every_step_of_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="samples_every must be at least 1, got 0"):
        trainer(tmp_path, samples_every=0)


def test_steps_are_in_training_mode_and_what_is_watched_in_evaluation_mode(tmp_path: Path) -> None:
    class Watching(Gaussian):
        seen: tuple[str, ...] = ()

        def log_prob(self, x: Tensor) -> Tensor:
            what = "step" if torch.is_grad_enabled() else "evaluation"
            self.seen += (f"{what} in {'training' if self.training else 'evaluation'} mode",)
            return super().log_prob(x)

        def sample(
            self, n: int, generator: torch.Generator | None = None, temperature: float = 1.0
        ) -> Tensor:
            self.seen += (f"samples in {'training' if self.training else 'evaluation'} mode",)
            return super().sample(n, generator, temperature)

    model = Watching()
    trainer(tmp_path, model).train()
    wanted = {"step in training mode", "evaluation in evaluation mode", "samples in evaluation mode"}
    assert set(model.seen) == wanted


def test_metrics_may_be_less_frequent_but_have_the_last_step(tmp_path: Path) -> None:
    trainer(tmp_path, log_every=5, evaluation=None).train()
    assert [line["step"] for line in metrics(tmp_path)] == [5, 10, 12]


def test_evaluation_is_once_per_epoch_by_default(tmp_path: Path) -> None:
    trainer(tmp_path, evaluate_every=None).train()  # 20 images in batches of 5
    assert [line["step"] for line in metrics(tmp_path) if "loss" not in line] == [4, 8, 12]


@pytest.mark.parametrize("killed_in", range(1, STEPS + 1))
def test_interrupted_in_any_step_it_ends_with_the_same_weights_and_metrics(
    tmp_path: Path, uninterrupted: Path, killed_in: int
) -> None:
    with pytest.raises(Killed):
        trainer(tmp_path, Gaussian(killed_in=killed_in)).train()
    result = trainer(tmp_path).train()
    assert result.steps_before == (killed_in - 1) // 3 * 3
    assert_same_weights(load_weights(tmp_path), load_weights(uninterrupted))
    assert metrics(tmp_path) == metrics(uninterrupted)


def test_interrupted_in_the_last_evaluation_it_is_made_up_for(
    tmp_path: Path, uninterrupted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed_at_the_end(evaluation: Evaluation, model: Any, _: torch.device) -> dict[str, float]:
        if model.training_steps == STEPS:
            raise Killed
        return {"images": float(evaluation.limit)}

    with monkeypatch.context() as patch:
        patch.setattr(Evaluation, "__call__", killed_at_the_end)
        with pytest.raises(Killed):
            trainer(tmp_path, checkpoint_every=1).train()
    result = trainer(tmp_path, checkpoint_every=1).train()
    assert result.metrics["step"] == STEPS
    assert metrics(tmp_path)[-1] == metrics(uninterrupted)[-1]


def test_interrupted_again_and_again_it_still_ends_with_the_same_weights(
    tmp_path: Path, uninterrupted: Path
) -> None:
    for _ in range(3):
        with pytest.raises(Killed):
            trainer(tmp_path, Gaussian(killed_in=5)).train()
    assert trainer(tmp_path).train().steps_before == 9
    assert_same_weights(load_weights(tmp_path), load_weights(uninterrupted))


def test_a_finished_training_is_left_alone(uninterrupted: Path) -> None:
    files = sorted(path for path in uninterrupted.rglob("*") if path.is_file())
    before = [(sha256_of_file(path), path.stat().st_mtime_ns) for path in files]
    model = Gaussian(killed_in=1)
    result = trainer(uninterrupted, model).train()
    assert (result.steps, result.steps_before) == (STEPS, STEPS)
    assert result.metrics["step"] == STEPS
    assert_same_weights(model.state_dict(), load_weights(uninterrupted))
    assert sorted(path for path in uninterrupted.rglob("*") if path.is_file()) == files
    assert [(sha256_of_file(path), path.stat().st_mtime_ns) for path in files] == before


def test_a_damaged_newest_checkpoint_is_named_and_the_one_before_used(
    tmp_path: Path, uninterrupted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(Killed):
        trainer(tmp_path, Gaussian(killed_in=8)).train()
    damaged = tmp_path / "training_state.pt"
    cut(damaged)
    assert trainer(tmp_path).train().steps_before == 3
    assert f"step 6 is damaged: {damaged} is missing, truncated or changed" in capsys.readouterr().err
    assert_same_weights(load_weights(tmp_path), load_weights(uninterrupted))


@pytest.mark.parametrize("name", ["model.safetensors", "training_state.pt", "checkpoint.json"])
def test_damage_after_damage_still_leaves_the_checkpoint_that_was_gone_on_from(
    tmp_path: Path, uninterrupted: Path, name: str
) -> None:
    with pytest.raises(Killed):
        trainer(tmp_path, Gaussian(killed_in=8)).train()
    cut(tmp_path / name)
    with pytest.raises(Killed):
        trainer(tmp_path, Gaussian(killed_in=4)).train()  # in step 7, right after the checkpoint of step 6
    cut(tmp_path / name)
    assert trainer(tmp_path).train().steps_before == 3
    assert_same_weights(load_weights(tmp_path), load_weights(uninterrupted))
    assert metrics(tmp_path) == metrics(uninterrupted)


def test_a_checkpoint_of_another_model_is_refused_by_its_first_tensor(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, 3, {"loc": torch.zeros(1, 4, 4), "scale": torch.zeros(1, 4, 4)}, {})
    with pytest.raises(
        ValueError,
        match=r"model.safetensors does not fit the model that is to be trained: log_scale is missing",
    ):
        trainer(tmp_path).train()


@pytest.mark.parametrize("state", [{}, {"step": {}, "seconds": 0.0}, {"step": 3}])
def test_a_state_of_something_else_is_refused_by_name(tmp_path: Path, state: dict[str, Any]) -> None:
    save_checkpoint(tmp_path, 3, Gaussian().state_dict(), state)
    with pytest.raises(ValueError, match=r"training_state\.pt holds another state than this training has"):
        trainer(tmp_path).train()


@pytest.mark.parametrize(
    ("where", "named"),
    [
        ("weights", r"weights in .*model\.safetensors hold .* in 1 of 2 tensors \(loc\)"),
        (
            "moments",
            r"optimizer's numbers in .*training_state\.pt hold .* \(loc\.exp_avg, log_scale\.exp_avg\)",
        ),
    ],
)
def test_numbers_that_are_not_finite_are_not_gone_on_from(tmp_path: Path, where: str, named: str) -> None:
    """With such moments, the next step would write NaN into all weights."""
    trainer(tmp_path, steps=4).train()
    weights, checkpoint = load_weights(tmp_path), newest_checkpoint(tmp_path)
    assert checkpoint is not None
    state = load_training_state(checkpoint)
    if where == "weights":
        weights["loc"][0, 1, 2] = torch.nan
    else:
        for moments in state["step"]["optimizer"]["state"].values():
            moments["exp_avg"][0, 1, 2] = -torch.inf
    save_checkpoint(tmp_path, 4, weights, state)
    before = (tmp_path / "model.safetensors").read_bytes()
    with pytest.raises(ValueError, match=named):
        trainer(tmp_path).train()
    assert (tmp_path / "model.safetensors").read_bytes() == before


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


def test_preparation_is_for_a_fresh_training_only(tmp_path: Path) -> None:
    prepared = []
    with pytest.raises(Killed):
        trainer(tmp_path, Gaussian(killed_in=5), prepare=lambda: prepared.append("first")).train()
    trainer(tmp_path, prepare=lambda: prepared.append("second")).train()
    assert prepared == ["first"]


def test_steps_without_a_finite_gradient_are_counted_over_interruptions(tmp_path: Path) -> None:
    with pytest.raises(Killed):
        trainer(tmp_path, Gaussian(broken={2, 5}, killed_in=7)).train()
    result = trainer(tmp_path, Gaussian(broken={3})).train()
    assert result.skipped == 3
    assert metrics(tmp_path)[-2]["skipped"] == 3


def test_too_many_of_them_in_a_row_stop_it_and_keep_the_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="stopped at step 9: 2 steps in a row had no finite gradient"):
        trainer(tmp_path, Gaussian(broken={8, 9, 10}), max_nonfinite=2).train()
    checkpoint = newest_checkpoint(tmp_path)
    assert checkpoint is not None
    assert checkpoint.step == 6


def test_weights_without_a_checkpoint_are_not_trained_over(tmp_path: Path, uninterrupted: Path) -> None:
    weights = (uninterrupted / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(weights)
    with pytest.raises(ValueError, match="holds weights without a checkpoint to go on from"):
        trainer(tmp_path).train()
    assert (tmp_path / "model.safetensors").read_bytes() == weights


def test_a_bad_interval_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="log_every must be at least 1, got 0"):
        trainer(tmp_path, log_every=0)


def test_progress_is_shown_when_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trainer(tmp_path / "quiet").train()
    assert capsys.readouterr() == ("", "")
    trainer(tmp_path / "shown", progress=True).train()
    out, err = capsys.readouterr()
    assert re.findall(r"^step (\d+):  bits_per_dim/train \d", out, re.M) == ["5", "10", "12"]
    assert "shown: 100%" in err
    assert re.search(r"12/12 .*bits/dim, \d+ images/s", err)
    assert metrics(tmp_path / "quiet") == metrics(tmp_path / "shown")


def test_the_speed_is_measured_without_a_bar_too(tmp_path: Path) -> None:
    trainer(tmp_path, steps=400, log_every=100).train()
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line["images_per_second"] > 0 for line in lines if "loss" in line][-1]
