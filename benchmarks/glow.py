"""How fast the Glow of this library is, as ratios measured in one run: `python -m benchmarks.glow`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch

from benchmarks.contestants import COMPILED, NORMFLOWS, OURS, PLAIN, glow_config, is_installed
from benchmarks.loader import loader_rate
from benchmarks.machine import describe_machine
from benchmarks.memory import MemoryCase, measure
from benchmarks.report import machine_line, memory_table, speed_table
from benchmarks.speed import EVALUATION, TRAINING, SpeedResult, measure_speed
from invglow.allocator import keep_freed_memory
from invglow.files import replacing

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the tables and, where asked, write everything as JSON."""
    options = _parser().parse_args(arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
    if not options.system_allocator:
        keep_freed_memory()  # for all alike, as main.py does
    machine = describe_machine()
    print(machine_line(machine), flush=True)
    names = _contestants(compiled=options.compile)
    speeds = _speeds(options, names)
    print(f"\n{speed_table(speeds)}\n", flush=True)
    for line in _details(speeds):
        print(line)
    loader = loader_rate(options.batch_size)
    fastest = max(result.images_per_second[OURS] for result in speeds if result.what == TRAINING)
    print(
        f"Training batches: {loader:.0f} images/s, {loader / fastest:.0f}x what training takes.\n", flush=True
    )
    peaks = {} if options.no_memory else _peaks(options, names)
    if peaks:
        print(f"Peak memory above the imports:\n{memory_table(peaks)}")
    if options.json:
        _write(options, machine, speeds, loader, peaks)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.glow",
        description="Compare speed and memory of this library's Glow with a plain one and with normflows.",
        epilog="Example: python -m benchmarks.glow --hidden-channels 64 --rounds 5 --json glow.json",
    )
    add = parser.add_argument
    add(
        "--hidden-channels",
        type=int,
        nargs="+",
        default=[64, 512],
        help="widths to measure (default: 64 512)",
    )
    add("--steps-per-scale", type=int, default=8, help="flow steps in each of the 3 scales (default: 8)")
    add("--batch-size", type=int, default=64, help="32x32 colour images in a batch (default: 64)")
    add("--rounds", type=int, default=9, help="how often everything is timed, in turns (default: 9)")
    add("--threads", type=int, help="threads of PyTorch (default: its own choice)")
    add("--compile", action="store_true", help="also time torch.compile of the flow steps")
    add(
        "--system-allocator",
        action="store_true",
        help="let the C library return large blocks to the system, as without main.py",
    )
    add("--no-memory", action="store_true", help="do not measure peak memory")
    add("--json", type=Path, help="write all numbers to this file")
    return parser


def _contestants(*, compiled: bool) -> list[str]:
    names = [OURS, *([COMPILED] if compiled else []), PLAIN]
    if is_installed(NORMFLOWS):
        return [*names, NORMFLOWS]
    print("normflows is not installed, so it is left out: pip install -e '.[benchmark]' adds it.")
    return names


def _speeds(options: argparse.Namespace, names: Sequence[str]) -> list[SpeedResult]:
    results = []
    for hidden_channels in options.hidden_channels:
        print(f"Timing {', '.join(names)} at {hidden_channels} channels ...", flush=True)
        config = glow_config(hidden_channels, steps_per_scale=options.steps_per_scale)
        results += measure_speed(config, names, batch_size=options.batch_size, rounds=options.rounds)
    return results


def _details(speeds: Sequence[SpeedResult]) -> list[str]:
    return [
        f"{result.hidden_channels} channels, {name}: {value:.3g}"
        for result in speeds
        if result.what == TRAINING
        for name, value in result.details.items()
    ]


def _peaks(options: argparse.Namespace, names: Sequence[str]) -> dict[tuple[int, str, str], int]:
    return {
        (hidden_channels, what, name): measure(
            MemoryCase(name, hidden_channels, options.steps_per_scale, options.batch_size, what == TRAINING)
        )
        for hidden_channels in options.hidden_channels
        for what in (EVALUATION, TRAINING)
        for name in names
        if name != COMPILED
    }


def _write(
    options: argparse.Namespace,
    machine: dict[str, object],
    speeds: Sequence[SpeedResult],
    loader: float,
    peaks: dict[tuple[int, str, str], int],
) -> None:
    content = {
        "machine": machine,
        "settings": {name: value for name, value in vars(options).items() if name != "json"},
        "speed": [asdict(result) for result in speeds],
        "loader_images_per_second": loader,
        "peak_memory_bytes": [
            {"hidden_channels": channels, "what": what, "contestant": name, "bytes": peak}
            for (channels, what, name), peak in peaks.items()
        ],
    }
    with replacing(options.json) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    print(f"All numbers: {options.json}")


if __name__ == "__main__":
    main()
