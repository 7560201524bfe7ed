"""One step: what it changes, what it clips, and what it does where the gradient is not finite."""

from __future__ import annotations

import copy
import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from invglow.training import TrainingConfig
from invglow.training.step import TrainingStep
from tests.invglow.training.toys import CPU, Gaussian

CONFIG = TrainingConfig(steps=100, warmup_steps=4, learning_rate=0.1, max_nonfinite=3)


def images(seed: int = 0) -> Tensor:
    return torch.rand(8, 1, 4, 4, generator=torch.Generator().manual_seed(seed)) - 0.5


def weights(model: Gaussian) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


@pytest.mark.parametrize("weight_decay", [CONFIG.weight_decay, 100.0])
def test_a_step_follows_adamax_at_the_learning_rate_of_that_step(weight_decay: float) -> None:
    model, twin = Gaussian(), Gaussian()
    for gaussian in (model, twin):  # below the bright images, above zero: strong decay turns the step around
        torch.nn.init.constant_(gaussian.loc, 0.1)
    bright = 0.4 + 0.1 * images()
    result = TrainingStep(model, replace(CONFIG, weight_decay=weight_decay), CPU)(1, bright)
    assert (model.loc > 0.1).all() == (weight_decay < 1)
    optimizer = torch.optim.Adamax(twin.parameters(), lr=0.05, weight_decay=weight_decay)
    loss = -twin.log_prob(bright).mean()
    loss.backward()
    norm = torch.nn.utils.get_total_norm([p.grad for p in twin.parameters() if p.grad is not None])
    optimizer.step()
    assert result.loss == pytest.approx(loss.item())
    assert result.gradient_norm == pytest.approx(norm.item())
    assert (result.learning_rate, result.skipped) == (0.05, False)
    torch.testing.assert_close(weights(model), weights(twin))


def test_gradients_are_scaled_down_to_the_largest_norm() -> None:
    model, twin = Gaussian(), Gaussian()
    free = TrainingStep(twin, CONFIG, CPU)(0, images())
    clipped = TrainingStep(model, TrainingConfig(steps=100, max_gradient_norm=0.5), CPU)(0, images())
    assert clipped.gradient_norm == free.gradient_norm > 0.5
    for mine, other in zip(model.parameters(), twin.parameters(), strict=True):
        assert mine.grad is not None
        assert other.grad is not None
        torch.testing.assert_close(mine.grad, other.grad * 0.5 / free.gradient_norm)


def test_a_finite_loss_whose_gradient_is_not_finite_changes_nothing() -> None:
    class Kinked(Gaussian):
        def log_prob(self, x: Tensor) -> Tensor:
            return super().log_prob(x) - (0 * self.loc.sum()).sqrt()  # 0, of an infinite slope

    model = Kinked()
    before = weights(model)
    result = TrainingStep(model, CONFIG, CPU)(0, images())
    assert result.skipped
    assert math.isfinite(result.loss)
    torch.testing.assert_close(weights(model), before, rtol=0, atol=0)


def test_a_step_without_a_finite_gradient_changes_nothing_and_is_counted() -> None:
    model = Gaussian(broken={2})
    step = TrainingStep(model, CONFIG, CPU)
    step(0, images())
    before, moments = weights(model), copy.deepcopy(step.state_dict()["optimizer"]["state"])
    result = step(1, images(1))
    assert result.skipped
    assert (step.skipped, step.skipped_in_a_row) == (1, 1)
    torch.testing.assert_close(weights(model), before, rtol=0, atol=0)
    torch.testing.assert_close(step.state_dict()["optimizer"]["state"], moments, rtol=0, atol=0)
    assert not step(2, images(2)).skipped
    assert (step.skipped, step.skipped_in_a_row) == (1, 0)
    assert all(value.isfinite().all() for value in weights(model).values())


def test_too_many_such_steps_in_a_row_stop_the_training() -> None:
    step = TrainingStep(Gaussian(broken=range(3, 100)), CONFIG, CPU)
    for number in range(4):
        step(number, images())
    with pytest.raises(
        ValueError, match="stopped at step 5: 3 steps in a row had no finite gradient"
    ) as error:
        step(4, images())
    assert "smaller learning rate (now 0.1)" in str(error.value)


def test_such_steps_that_are_not_in_a_row_do_not() -> None:
    step = TrainingStep(Gaussian(broken={1, 2, 4, 5, 7, 8}), CONFIG, CPU)
    for number in range(9):
        step(number, images())
    assert step.skipped == 6


def test_a_frozen_parameter_stays() -> None:
    model = Gaussian()
    model.loc.requires_grad = False
    before = weights(model)
    TrainingStep(model, CONFIG, CPU)(0, images())
    torch.testing.assert_close(model.loc.data, before["loc"], rtol=0, atol=0)
    assert not torch.equal(model.log_scale, before["log_scale"])


def test_state_is_taken_up_where_it_was_left() -> None:
    one, other = Gaussian(broken={2}), Gaussian()
    before = TrainingStep(one, CONFIG, CPU)
    for number in range(3):
        before(number, images(number))
    after = TrainingStep(other, CONFIG, CPU)
    other.load_state_dict(one.state_dict())
    after.load_state_dict(copy.deepcopy(before.state_dict()))
    for number in range(3, 6):
        before(number, images(number))
        after(number, images(number))
    assert after.skipped == before.skipped == 1
    torch.testing.assert_close(weights(other), weights(one), rtol=0, atol=0)
