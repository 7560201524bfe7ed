"""The command that measures gradient norms, at a size that takes seconds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import benchmarks.gradients
from benchmarks.gradient_contestants import LOOP, OPACUS, OURS, PLAIN, VMAP

TINY = ["--sizes", "4:2", "--steps-per-scale", "1", "--image-size", "8", "--rounds", "1", "--no-memory"]


def test_command_prints_ratios_and_writes_all_numbers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    benchmarks.gradients.main([*TINY, "--without", OPACUS, "--json", str(tmp_path / "g.json")])
    printed = capsys.readouterr().out
    assert "plain forward and backward passes" in printed
    (result,) = json.loads((tmp_path / "g.json").read_text())["results"]
    assert set(result["images_per_second"]) == {OURS, PLAIN, LOOP, VMAP}
    assert result["times_ours"][OURS] == 1
    assert result["cost_in_plain_passes"] == pytest.approx(1 / result["times_ours"][PLAIN])
    assert result["largest_relative_difference_to_reference"] < 1e-4


def test_sizes_are_checked(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        benchmarks.gradients.main(["--sizes", "64"])
    assert "CHANNELS:BATCH" in capsys.readouterr().err
