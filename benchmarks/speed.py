"""Speed of evaluation, forward + backward and the optimizer, in turns with the machine's sgemm."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from benchmarks.contestants import (
    COMPILED,
    OURS,
    PLAIN,
    Contestant,
    build,
    check_equal,
    random_images,
)
from benchmarks.timing import interleaved, median, median_ratio, sgemm_measure
from benchmarks.work import FORWARD_AND_BACKWARD, flop_per_image
from invglow.flows import GlowConfig

__all__ = ["EVALUATION", "OPTIMIZER_STEP", "TRAINING", "SpeedResult", "measure_speed"]

EVALUATION = "evaluation"
TRAINING = "forward + backward"
OPTIMIZER_STEP = "optimizer step"
_SGEMM = "sgemm"


@dataclass(frozen=True)
class SpeedResult:
    """One line of the table: one kind of pass at one width.

    Attributes:
        what: EVALUATION or TRAINING.
        hidden_channels: width of the coupling networks.
        images_per_second: contestant -> median rate.
        ours_against: other contestant -> how many times faster ours is (median of the ratios in each round).
        fraction_of_sgemm: convolution FLOP/s of ours over those of a square float32 matrix product.
        details: what else was seen, such as the warm-up of a compiled model.
    """

    what: str
    hidden_channels: int
    images_per_second: dict[str, float]
    ours_against: dict[str, float]
    fraction_of_sgemm: float
    details: dict[str, float] = field(default_factory=dict)


def measure_speed(
    config: GlowConfig, names: Sequence[str], *, batch_size: int, rounds: int
) -> list[SpeedResult]:
    """Measure all contestants `names` (ours among them) at one size, interleaved.

    Raises:
        RuntimeError: if ours, plain and compiled are not the same function.
    """
    x = random_images(config, batch_size)
    contestants = {name: build(name, config) for name in names}
    details = _warm_up(contestants.values(), x)
    for name in {PLAIN, COMPILED} & set(names):
        details[f"difference to {name}"] = check_equal(contestants[OURS], contestants[name], x)
    product, product_flop = sgemm_measure()
    results = []
    for what, make_task, work in (
        (EVALUATION, _evaluation, 1),
        (TRAINING, _forward_and_backward, FORWARD_AND_BACKWARD),
    ):
        tasks: dict[str, Callable[[], object]] = {_SGEMM: product}
        tasks |= {name: make_task(contestant, x) for name, contestant in contestants.items()}
        if what == TRAINING:
            tasks[OPTIMIZER_STEP] = _optimizer_step(contestants[OURS])
        seconds = interleaved(tasks, rounds)
        flop = work * flop_per_image(config) * batch_size
        results.append(
            _result(
                what,
                config,
                seconds,
                batch_size=batch_size,
                products_of_work=flop / product_flop,
                details=details,
            )
        )
    return results


def _result(
    what: str,
    config: GlowConfig,
    seconds: dict[str, list[float]],
    *,
    batch_size: int,
    products_of_work: float,
    details: dict[str, float],
) -> SpeedResult:
    names = [name for name in seconds if name not in {_SGEMM, OPTIMIZER_STEP}]
    details = dict(details)
    if OPTIMIZER_STEP in seconds:
        details["optimizer step of ours, seconds"] = median(seconds[OPTIMIZER_STEP])
        both = [a + b for a, b in zip(seconds[OURS], seconds[OPTIMIZER_STEP], strict=True)]
        details["training with optimizer, images/s"] = batch_size / median(both)
    return SpeedResult(
        what,
        config.hidden_channels,
        {name: batch_size / median(seconds[name]) for name in names},
        {name: median_ratio(seconds[name], seconds[OURS]) for name in names if name != OURS},
        products_of_work * median_ratio(seconds[_SGEMM], seconds[OURS]),
        details,
    )


def _warm_up(contestants: Iterable[Contestant], x: Tensor) -> dict[str, float]:
    """Run each contestant once, both ways; report how long a compiled one needed."""
    details = {}
    for contestant in contestants:
        start = time.perf_counter()
        _evaluation(contestant, x)()
        _forward_and_backward(contestant, x)()
        if contestant.name == COMPILED:
            details["warm-up of compiled, seconds"] = time.perf_counter() - start
    return details


def _evaluation(contestant: Contestant, x: Tensor) -> Callable[[], object]:
    @torch.no_grad()
    def run() -> Tensor:
        return contestant.log_prob(x)

    return run


def _forward_and_backward(contestant: Contestant, x: Tensor) -> Callable[[], object]:
    def run() -> None:
        contestant.model.zero_grad(set_to_none=True)
        loss: Tensor = -contestant.log_prob(x).mean()
        loss.backward()

    return run


def _optimizer_step(contestant: Contestant) -> Callable[[], object]:
    """Adamax as in training, with a step too small to change the model that is timed."""
    optimizer = torch.optim.Adamax(contestant.model.parameters(), lr=1e-12)

    def run() -> None:
        optimizer.step()

    return run
