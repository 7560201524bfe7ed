"""Peak memory of gradient norms, alone in a process: `python -m benchmarks.gradient_memory ours 64 8 64`."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.contestants import glow_config, random_images
from benchmarks.gradient_contestants import FIRST_BATCHES, NAMES, OURS, build_model, task
from benchmarks.machine import peak_memory

__all__ = ["main", "measure"]


def measure(name: str, hidden_channels: int, steps_per_scale: int, batch_size: int) -> int:
    """Run a pass, or ours for some batches, in a fresh process; return by how many bytes its peak rose."""
    sizes = map(str, (hidden_channels, steps_per_scale, batch_size))
    command = [sys.executable, "-m", "benchmarks.gradient_memory", name, *sizes]
    run = subprocess.run(
        command, cwd=Path(__file__).parents[1], stdout=subprocess.PIPE, text=True, check=True
    )
    return int(run.stdout.split()[-1])


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the rise of peak memory in bytes."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gradient_memory", description=__doc__)
    parser.add_argument("contestant", choices=NAMES)
    for size in ("hidden_channels", "steps_per_scale", "batch_size"):
        parser.add_argument(size, type=int)
    options = parser.parse_args(arguments)
    before = peak_memory()
    config = glow_config(options.hidden_channels, steps_per_scale=options.steps_per_scale)
    model = build_model(config)
    run = task(options.contestant, model, config, random_images(config, options.batch_size))
    for _ in range(FIRST_BATCHES + 1 if options.contestant == OURS else 1):
        run()
    print(peak_memory() - before)


if __name__ == "__main__":
    main()
