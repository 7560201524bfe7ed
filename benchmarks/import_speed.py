"""Time and memory of importing published checkpoints of 200 MB: `python -m benchmarks.import_speed`."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from benchmarks.machine import describe_machine, peak_memory
from invglow.flows import GlowConfig, build_glow
from models.imports import import_run
from tests.invglow.legacy.folders import save_folder
from tests.invglow.legacy.pickled import save_model
from tests.properties import randomize

__all__ = ["main", "measure"]

ROOT = Path(__file__).parents[1]
MEGABYTE = 1e6
# 512 channels as in the first paper; with 37 steps in each scale the file has 203 MB.
HIDDEN_CHANNELS, STEPS = 512, 37


def save(path: Path, form: str, hidden_channels: int, steps: int) -> Path:
    """Write a checkpoint with random weights in one of `FORMS`; return what to import."""
    conditional: dict[str, Any] = {"prior": "conditional", "keeps": "first"} if form == "folder" else {}
    config = GlowConfig(hidden_channels=hidden_channels, steps_per_scale=steps, **conditional)
    torch.manual_seed(0)
    flow = build_glow(config)
    randomize(flow, scale=0.01)
    FORMS[form](path, flow, config)
    return path


FORMS: dict[str, Callable[..., Path]] = {
    "zip": save_model,
    "old": lambda *model: save_model(*model, as_zip=False),
    "folder": save_folder,
}


def measure(source: Path, run: Path) -> dict[str, float]:
    """Import in a fresh process: seconds, and by how many bytes its peak memory rose above the imports."""
    command = [sys.executable, "-m", "benchmarks.import_speed", "--import", str(source), str(run)]
    result = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, float] = json.loads(result.stdout)
    return found


def _import_here(source: Path, run: Path) -> dict[str, float]:
    before, start = peak_memory(), time.perf_counter()
    import_run(source, run)
    return {"seconds": time.perf_counter() - start, "bytes": peak_memory() - before}


def _report(form: str, hidden_channels: int, steps: int) -> str:
    with TemporaryDirectory() as folder:
        source = save(Path(folder) / "published", form, hidden_channels, steps)
        files = source.iterdir() if source.is_dir() else [source]
        size = sum(file.stat().st_size for file in files)
        found = measure(source, Path(folder) / "run")
    return (
        f"{form:8} {size / MEGABYTE:7.1f} MB  {found['seconds']:6.2f} s  "
        f"{found['bytes'] / MEGABYTE:7.1f} MB of memory, {found['bytes'] / size:.2f} times the file"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Print one line for each format, or import one file and print what it took."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.import_speed", description=__doc__)
    parser.add_argument("--hidden-channels", type=int, default=HIDDEN_CHANNELS, metavar="N")
    parser.add_argument("--steps-per-scale", type=int, default=STEPS, metavar="N")
    parser.add_argument("--import", dest="paths", nargs=2, type=Path, help=argparse.SUPPRESS)
    found = parser.parse_args(arguments)
    if found.paths:
        print(json.dumps(_import_here(*found.paths)))
        return
    print(json.dumps(describe_machine()))
    for form in FORMS:
        print(_report(form, found.hidden_channels, found.steps_per_scale), flush=True)


if __name__ == "__main__":
    main()
