"""`torchrun main.py train`: two processes learn the same as one with the same batches."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from commands import train
from invglow.checkpoints import load_weights, newest_checkpoint
from tests.commands.calls import TINY, Call, save_images

ROOT = Path(__file__).parents[2]
TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")

several_processes = pytest.mark.skipif(
    not torch.distributed.is_available(), reason="this torch cannot run in several processes"
)


def losses(run: Path) -> list[float]:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if "loss" in line] == list(range(1, 21))
    return [line["loss"] for line in lines if "loss" in line]


def in_two_processes(*command: str | Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [*TORCHRUN, "main.py", *map(str, command)],
        cwd=ROOT,
        env=environment,
        check=False,
        capture_output=True,
        text=True,
        timeout=900,
    )


@several_processes
def test_torchrun_takes_the_example_of_the_help() -> None:
    from torch.distributed.run import get_args_parser

    (words,) = (line.split() for line in train.EXAMPLE.splitlines() if line.startswith("  torchrun"))
    taken = get_args_parser().parse_args(words[1:])
    assert taken.training_script == "main.py"
    assert taken.training_script_args == words[words.index("main.py") + 1 :]


@several_processes
def test_two_processes_train_like_one_and_go_on_where_they_were(tmp_path: Path, call: Call) -> None:
    data = save_images(tmp_path / "images.npy", 40)
    schedule = ("--steps", "20", "--warmup-steps", "5", "--learning-rate", "0.01", "--batch-size", "8")
    command = ("train", "--data", data, *schedule, "--log-every", "1", "--checkpoint-every", "8", *TINY)
    cpu = ("--device", "cpu")
    one, two = tmp_path / "one", tmp_path / "two"
    assert call(*command, *cpu, "--run", one).code == 0
    finished = in_two_processes(*command, *cpu, "--run-folder", two)
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.count("Done: 20 steps") == 1
    assert losses(two) == pytest.approx(losses(one), rel=1e-4)
    assert losses(two)[-1] < losses(two)[0] - 1

    weights, curve = load_weights(two), losses(two)
    forget_the_newest_checkpoint(two)
    resumed = in_two_processes(*command, *cpu, "--run-folder", two)
    assert resumed.returncode == 0, resumed.stderr
    assert losses(two) == curve
    torch.testing.assert_close(load_weights(two), weights, rtol=0, atol=0)


def forget_the_newest_checkpoint(run: Path) -> None:
    """Leave a run as a kill between the checkpoints of step 16 and 20 would."""
    for path in (run / "previous").iterdir():
        shutil.move(path, run / path.name)
    checkpoint = newest_checkpoint(run)
    assert checkpoint is not None
    assert checkpoint.step == 16
