"""`main.py train` killed at random moments, by the signal that no program can soften.

Three kills by default; INVGLOW_TEST_KILLS=10 makes it ten.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from invglow.checkpoints import load_weights
from tests.commands.calls import TINY, Call, Hierarchy, save_images
from tests.commands.test_families import options

ROOT = Path(__file__).parents[2]
KILLS = int(os.environ.get("INVGLOW_TEST_KILLS", "3"))
STEPS_PER_KILL = 20
PATIENCE = 600  # seconds; a busy machine may take long to start a process


def lines_of(run: Path) -> list[str]:
    path = run / "metrics.jsonl"
    return path.read_text().splitlines() if path.exists() else []


def kill_amid_training(command: list[str], run: Path, chance: random.Random) -> None:
    """Start the command and kill it when it has gone a random number of steps, at any moment of the next."""
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        started = (run / "metrics.jsonl").stat().st_mtime_ns if lines_of(run) else 0
        wanted = chance.randint(1, STEPS_PER_KILL // 2)
        first, last, deadline = None, 0.0, time.monotonic() + PATIENCE
        while process.poll() is None and time.monotonic() < deadline:
            lines = lines_of(run)
            if lines and (run / "metrics.jsonl").stat().st_mtime_ns != started:
                first = len(lines) if first is None else first
                last = last or time.monotonic()
                if len(lines) >= first + wanted:
                    break
            time.sleep(0.001)
        time.sleep(chance.uniform(0, 2) * (time.monotonic() - last) / wanted)
    finally:
        process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "it ended before it was killed"


def test_killed_at_random_moments_it_ends_with_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    data = save_images(tmp_path / "images.npy", 60, size=16)
    assert_same_bits_after_kills(tmp_path, ("train", "--data", data, *TINY), KILLS)


def test_with_outlier_and_label_loss_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hierarchy: Hierarchy
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    data = save_images(tmp_path / "images.npy", 60)
    np.save(tmp_path / "images_labels.npy", np.arange(60) % 4)
    against = ("--base", str(hierarchy.general), "--no-equal-training", "--outlier-loss", "class", "--labels")
    assert_same_bits_after_kills(tmp_path, ("train", "--data", data, *against), max(1, KILLS - 2))


@pytest.mark.parametrize("name", ["vae", "pixelcnn", "diffusion"])
def test_models_of_other_families_too(
    name: str, tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only what is killed is a process of its own; what it left is finished here, with as many threads."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    data = save_images(tmp_path / "images.npy", 60, size=8, channels=1)
    chance = random.Random(seed := random.randrange(10**6))
    length = ("--steps", str(2 * STEPS_PER_KILL), "--batch-size", "8", "--log-every", "1")
    train = ("train", "--data", data, *options(name), *length, "--checkpoint-every", "3", "--device", "cpu")
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    kill_amid_training([sys.executable, "main.py", *train, "--run", str(killed)], killed, chance)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        assert call(*train, "--run", killed).code == call(*train, "--run", whole).code == 0
    finally:
        torch.set_num_threads(threads)
    one, other = load_weights(killed), load_weights(whole)
    assert all(one[key].equal(other[key]) for key in other), f"seed {seed}"
    assert history(killed) == history(whole), f"seed {seed}"


def assert_same_bits_after_kills(folder: Path, command: tuple[str, ...], kills: int) -> None:
    """Kill a training some times, finish it, and compare it with one that nobody killed."""
    seed = random.randrange(10**6)
    chance = random.Random(seed)
    length = ("--steps", str(STEPS_PER_KILL * (kills + 1)), "--batch-size", "8", "--log-every", "1")
    often = ("--checkpoint-every", "3", "--evaluate-every", "7", "--device", "cpu")
    run = folder / "killed"
    program = [sys.executable, "main.py", *command, *length, *often, "--run", str(run)]
    for _ in range(kills):
        kill_amid_training(program, run, chance)
    # All in processes of their own: bits are the same only for the same number of threads.
    for one in (run, folder / "whole"):
        uninterrupted = [*program[:-1], str(one)]
        subprocess.run(uninterrupted, cwd=ROOT, check=True, capture_output=True, timeout=PATIENCE)
    killed, whole = load_weights(run), load_weights(folder / "whole")
    assert all(killed[name].equal(whole[name]) for name in whole), f"seed {seed}"
    assert history(run) == history(folder / "whole"), f"seed {seed}"


def history(run: Path) -> list[dict[str, float]]:
    """Return the metrics without what depends on the clock."""
    found = map(json.loads, lines_of(run))
    return [{name: value for name, value in line.items() if name != "images_per_second"} for line in found]
