"""Peak memory of one contestant, alone in its process: `python -m benchmarks.memory ours --train`."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from benchmarks.contestants import NAMES, build, glow_config, random_images
from benchmarks.machine import peak_memory

__all__ = ["MemoryCase", "measure", "peak_of"]


@dataclass(frozen=True)
class MemoryCase:
    """What to run once in a process of its own."""

    contestant: str
    hidden_channels: int
    steps_per_scale: int
    batch_size: int
    train: bool


def measure(case: MemoryCase) -> int:
    """Run one pass in a fresh process; return by how many bytes its peak rose above the imports."""
    settings = [
        f"--{name.replace('_', '-')}={value}" for name, value in asdict(case).items() if type(value) is int
    ]
    command = [sys.executable, "-m", "benchmarks.memory", case.contestant, *settings]
    command += ["--train"] if case.train else []
    run = subprocess.run(
        command, cwd=Path(__file__).parents[1], stdout=subprocess.PIPE, text=True, check=True
    )
    return int(run.stdout)


def peak_of(case: MemoryCase) -> int:
    """Run one pass in this process; return by how many bytes its peak rose."""
    before = peak_memory()
    config = glow_config(case.hidden_channels, steps_per_scale=case.steps_per_scale)
    contestant = build(case.contestant, config)
    x = random_images(config, case.batch_size)
    with torch.set_grad_enabled(case.train):
        loss = -contestant.log_prob(x).mean()
    if case.train:
        loss.backward()
    return peak_memory() - before


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the rise of peak memory in bytes."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    parser.add_argument("contestant", choices=NAMES)
    parser.add_argument("--hidden-channels", type=int, default=512)
    parser.add_argument("--steps-per-scale", type=int, default=8)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--train", action="store_true", help="forward and backward; without it, forward only")
    print(peak_of(MemoryCase(**vars(parser.parse_args(arguments)))))


if __name__ == "__main__":
    main()
