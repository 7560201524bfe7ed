"""What per-image gradient norms cost, as ratios measured in one run: `python -m benchmarks.gradients`."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch

from anomaly_methods.extractors.gradient_norms import reference_squared_norms, squared_gradient_norms
from benchmarks.contestants import glow_config, random_images
from benchmarks.gradient_contestants import (
    FIRST_BATCHES,
    NAMES,
    OURS,
    PLAIN,
    build_model,
    is_installed,
    task,
)
from benchmarks.gradient_memory import measure
from benchmarks.machine import describe_machine
from benchmarks.report import machine_line
from benchmarks.timing import interleaved, median, median_ratio
from invglow.files import replacing

__all__ = ["main"]

_MIB = 1024**2
Result = dict[str, object]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print one line per contestant and size and, where asked, write everything as JSON."""
    options = _parser().parse_args(arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
    machine = describe_machine()
    print(machine_line(machine), flush=True)
    names = [name for name in NAMES if is_installed(name) and name not in options.without]
    if missing := [name for name in NAMES if not is_installed(name)]:
        print(f"Left out: {', '.join(missing)}, which is not installed.")
    results: list[Result] = []
    for hidden_channels, batch_size in options.sizes:
        results.append(_compare(options, names, hidden_channels, batch_size))
        for line in _lines(results[-1]):
            print(line, flush=True)
    if options.json:
        with replacing(options.json) as temporary:
            temporary.write_text(json.dumps({"machine": machine, "results": results}, indent=2) + "\n")
        print(f"All numbers: {options.json}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gradients",
        description="Compare the one-pass gradient norms of a Glow with one backward pass per image, a plain "
        "pass, torch.func and opacus.",
        epilog="Example: python -m benchmarks.gradients --sizes 64:64 --rounds 3 --json gradients.json",
    )
    add = parser.add_argument
    add(
        "--sizes",
        type=_size,
        nargs="+",
        default=[(64, 64), (512, 16)],
        metavar="CHANNELS:BATCH",
        help="width of the coupling networks, and images in a batch (default: 64:64 512:16)",
    )
    add("--steps-per-scale", type=int, default=8, help="flow steps in each of the 3 scales (default: 8)")
    add("--image-size", type=int, default=32, help="side of the colour images (default: 32)")
    add("--rounds", type=int, default=5, help="how often everything is timed, in turns (default: 5)")
    add("--threads", type=int, help="threads of PyTorch (default: its own choice)")
    add("--without", nargs="+", default=[], choices=NAMES[2:], help="contestants to leave out")
    add("--no-memory", action="store_true", help="do not measure peak memory")
    add("--json", type=Path, help="write all numbers to this file")
    return parser


def _size(text: str) -> tuple[int, int]:
    channels, _, batch = text.partition(":")
    if not (channels.isdigit() and batch.isdigit()):
        raise argparse.ArgumentTypeError(f"expected CHANNELS:BATCH such as 64:64, got {text!r}")
    return int(channels), int(batch)


def _compare(
    options: argparse.Namespace, names: Sequence[str], hidden_channels: int, batch_size: int
) -> Result:
    """Time all contestants in turns at one size, and compare ours with the reference."""
    config = glow_config(
        hidden_channels, steps_per_scale=options.steps_per_scale, image_size=options.image_size
    )
    model = build_model(config)
    x = random_images(config, batch_size).contiguous(memory_format=torch.channels_last)
    found, expected = squared_gradient_norms(model, x[:2]), reference_squared_norms(model, x[:2])
    difference = max(float(((found[n] - expected[n]) / expected[n]).abs().max()) for n in expected)
    tasks = {name: task(name, model, config, x) for name in names}
    first = [_seconds(tasks[OURS]) for _ in range(FIRST_BATCHES)]
    seconds = interleaved(tasks, options.rounds)
    peaks = {
        name: measure(name, hidden_channels, options.steps_per_scale, batch_size)
        for name in names
        if not options.no_memory
    }
    return {
        "hidden_channels": hidden_channels,
        "batch_size": batch_size,
        "largest_relative_difference_to_reference": difference,
        "images_per_second": {name: batch_size / median(values) for name, values in seconds.items()},
        "times_ours": {name: median_ratio(values, seconds[OURS]) for name, values in seconds.items()},
        "cost_in_plain_passes": median_ratio(seconds[OURS], seconds[PLAIN]),
        "first_batches_in_later_ones": sum(first) / median(seconds[OURS]),
        "peak_memory_bytes": peaks,
    }


def _seconds(task: Callable[[], object]) -> float:
    start = time.perf_counter()
    task()
    return time.perf_counter() - start


def _lines(result: Result) -> Iterator[str]:
    """Yield the lines of one size."""
    rates, ratios, peaks = result["images_per_second"], result["times_ours"], result["peak_memory_bytes"]
    if not (isinstance(rates, dict) and isinstance(ratios, dict) and isinstance(peaks, dict)):
        raise TypeError("A result of the benchmark has lost its tables.")
    yield f"\n{result['hidden_channels']} channels, batch of {result['batch_size']}:"
    for name, rate in rates.items():
        memory = f", {peaks[name] / _MIB:.0f} MiB" if name in peaks else ""
        ours = "" if name == OURS else f", takes {ratios[name]:.2f} times as long as ours"
        yield f"- {name}: {rate:.1f} images/s{ours}{memory}"
    yield f"- ours costs {result['cost_in_plain_passes']:.2f} plain forward and backward passes"
    first = result["first_batches_in_later_ones"]
    yield f"- its first {FIRST_BATCHES} batches, which prepare others, take as long as {first:.0f} of these"
    difference = result["largest_relative_difference_to_reference"]
    yield f"- largest relative difference to one backward pass per image: {difference:.1e}"


if __name__ == "__main__":
    main()
