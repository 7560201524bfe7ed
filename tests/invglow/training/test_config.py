"""Settings of a training: which are refused, and the learning rate of each step."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from invglow.training import TrainingConfig
from invglow.training.config import LARGEST_SEED


def test_the_learning_rate_warms_up_linearly_and_cools_down_at_the_end() -> None:
    config = TrainingConfig(
        steps=10, learning_rate=1.0, warmup_steps=4, cooldown_fraction=0.2, cooldown_factor=0.5
    )
    assert [config.learning_rate_at(step) for step in range(10)] == [0.25, 0.5, 0.75, *[1.0] * 5, 0.5, 0.5]


def test_without_warm_up_and_cool_down_the_learning_rate_is_constant() -> None:
    config = TrainingConfig(steps=5, learning_rate=0.3, warmup_steps=0, cooldown_fraction=0)
    assert {config.learning_rate_at(step) for step in range(5)} == {0.3}


def test_a_warm_up_longer_than_the_training_only_rises() -> None:
    config = TrainingConfig(steps=3, learning_rate=1.0, warmup_steps=10, cooldown_fraction=0)
    assert [config.learning_rate_at(step) for step in range(3)] == pytest.approx([0.1, 0.2, 0.3])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("steps", 0),
        ("batch_size", 0),
        ("initialization_images", 0),
        ("checkpoint_every", 0),
        ("evaluate_every", 0),
        ("max_nonfinite", 0),
        ("learning_rate", 0.0),
        ("learning_rate", math.nan),
        ("max_gradient_norm", -1.0),
        ("weight_decay", -0.1),
        ("warmup_steps", -1),
        ("cooldown_factor", -1.0),
        ("cooldown_fraction", 1.5),
        ("seed", -1),
        ("seed", 2**63),
        ("learning_rate", math.inf),
        ("weight_decay", math.inf),
        ("cooldown_factor", math.inf),
    ],
)
def test_a_setting_out_of_range_is_refused_by_name(name: str, value: float) -> None:
    settings: dict[str, Any] = {"steps": 10, name: value}
    with pytest.raises(ValueError, match=f"^{name} must be .*, got {value}.$"):
        TrainingConfig(**settings)


def test_the_largest_seed_is_one_that_torch_takes() -> None:
    config = TrainingConfig(steps=1, seed=LARGEST_SEED)
    assert torch.Generator().manual_seed(config.seed).initial_seed() == LARGEST_SEED
