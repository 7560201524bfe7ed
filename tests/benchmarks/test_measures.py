"""The measuring itself: turns, medians, counted work, peak memory, loader."""

from __future__ import annotations

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.contestants import build, glow_config, random_images
from benchmarks.loader import loader_rate
from benchmarks.machine import describe_machine
from benchmarks.memory import MemoryCase, measure
from benchmarks.timing import interleaved, median_ratio, sgemm_measure
from benchmarks.work import flop_per_image


def test_tasks_take_turns() -> None:
    calls: list[str] = []
    seconds = interleaved(
        {"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, 3, least_seconds=0.0
    )
    assert "".join(calls[-6:]) == "ababab"
    assert {name: len(values) for name, values in seconds.items()} == {"a": 3, "b": 3}


def test_quick_tasks_are_repeated_for_long_enough() -> None:
    calls: list[str] = []
    interleaved({"a": lambda: calls.append("a")}, 1, least_seconds=0.01)
    assert len(calls) > 100


def test_ratio_is_taken_within_each_round() -> None:
    assert median_ratio([2, 20, 200], [1, 10, 100]) == 2


def test_sgemm_counts_two_operations_per_product() -> None:
    product, flop = sgemm_measure(least_seconds=0.0)
    with FlopCounterMode(display=False) as counter:
        product()
    assert flop == counter.get_total_flops()


@pytest.mark.parametrize("hidden_channels", [4, 16])
def test_counted_work_is_what_pytorch_counts(hidden_channels: int) -> None:
    config = glow_config(hidden_channels, steps_per_scale=2)
    plain = build("plain", config)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        plain.log_prob(random_images(config, 2))
    # PyTorch also counts the two products that build each mixing matrix out of its factors.
    channels = [config.image_shape[0] * 4 * 2**scale for scale in range(3)]
    building = sum(2 * 2 * 2 * size**3 for size in channels)
    assert 2 * flop_per_image(config) == counter.get_total_flops() - building


def test_each_case_of_memory_starts_fresh() -> None:
    small = MemoryCase("ours", 4, 1, 1, train=False)
    large = MemoryCase("ours", 4, 1, 256, train=True)
    assert measure(large) > measure(small) + 10 * 2**20


def test_loader_is_measured() -> None:
    assert loader_rate(16, steps=3, images=64) > 0


def test_machine_is_described() -> None:
    machine = describe_machine()
    assert machine["processor"]
    assert machine["threads"] == torch.get_num_threads()
