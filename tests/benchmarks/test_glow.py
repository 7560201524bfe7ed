"""The benchmark's command, at a size that takes seconds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import benchmarks.glow
from benchmarks.report import memory_table, speed_table
from benchmarks.speed import SpeedResult

TINY = ["--hidden-channels", "4", "--steps-per-scale", "1", "--batch-size", "2", "--rounds", "1"]


def test_command_prints_ratios_and_writes_all_numbers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(benchmarks.glow, "is_installed", lambda _: False)
    benchmarks.glow.main([*TINY, "--no-memory", "--json", str(tmp_path / "glow.json")])
    printed = capsys.readouterr().out
    assert "normflows is not installed" in printed
    assert "ours / plain" in printed
    assert "Training batches" in printed
    content = json.loads((tmp_path / "glow.json").read_text())
    assert [line["what"] for line in content["speed"]] == ["evaluation", "forward + backward"]
    for line in content["speed"]:
        rates = line["images_per_second"]
        assert line["ours_against"]["plain"] == pytest.approx(rates["ours"] / rates["plain"])
    assert "optimizer step of ours, seconds" in content["speed"][1]["details"]
    assert content["machine"]["versions"]["torch"]


def test_tables_align() -> None:
    result = SpeedResult("evaluation", 64, {"ours": 400.0, "plain": 100.0}, {"plain": 4.0}, 0.5)
    lines = speed_table([result]).splitlines()
    assert lines[-1].split() == [
        "|",
        "64",
        "|",
        "evaluation",
        "|",
        "400.0",
        "|",
        "100.0",
        "|",
        "4.00x",
        "|",
        "0.50",
        "|",
    ]
    assert len({len(line) for line in lines}) == 1
    lines = memory_table({(64, "evaluation", "ours"): 3 * 2**20}).splitlines()
    assert _cells(lines[-1]) == ["64", "evaluation", "3"]


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]
