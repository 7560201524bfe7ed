"""Timing several things in turns, so that whatever else the machine does falls on all of them alike."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence

import torch

__all__ = ["interleaved", "median", "median_ratio", "sgemm_measure"]

_GEMM_SIZES = (768, 1024, 1536, 2048)


def interleaved(
    tasks: Mapping[str, Callable[[], object]], rounds: int, *, least_seconds: float = 0.2
) -> dict[str, list[float]]:
    """Time every task once per round, A B C A B C ..., after a warm-up call of each.

    Args:
        tasks: name -> what to time.
        rounds: number of rounds.
        least_seconds: a quick task is repeated within a round until this time has passed.

    Returns:
        name -> seconds per call, one number per round.
    """
    repeats = {name: _repeats(task, least_seconds) for name, task in tasks.items()}
    seconds: dict[str, list[float]] = {name: [] for name in tasks}
    for _ in range(rounds):
        for name, task in tasks.items():
            seconds[name].append(_seconds_per_call(task, repeats[name]))
    return seconds


def median(values: Sequence[float]) -> float:
    """Return the median."""
    return statistics.median(values)


def median_ratio(numerator: Sequence[float], denominator: Sequence[float]) -> float:
    """Return the median over rounds of the ratio within a round."""
    return median([a / b for a, b in zip(numerator, denominator, strict=True)])


def sgemm_measure(least_seconds: float = 0.2) -> tuple[Callable[[], object], float]:
    """Return a square float32 matrix product at the size that runs fastest here, and its FLOP per call."""
    products = {size: _product(size) for size in _GEMM_SIZES}
    rates = {}
    for size, product in products.items():
        rates[size] = size**3 / _seconds_per_call(product, _repeats(product, least_seconds))
    best = max(rates, key=rates.__getitem__)
    return products[best], 2.0 * best**3


def _product(size: int) -> Callable[[], object]:
    a, b, out = (torch.rand(size, size) for _ in range(3))
    return lambda: torch.mm(a, b, out=out)


def _repeats(task: Callable[[], object], least_seconds: float) -> int:
    task()  # the first call may allocate, compile or initialise
    return max(1, math.ceil(least_seconds / max(_seconds_per_call(task, 1), 1e-9)))


def _seconds_per_call(task: Callable[[], object], repeats: int) -> float:
    start = time.perf_counter()
    for _ in range(repeats):
        task()
    return (time.perf_counter() - start) / repeats
