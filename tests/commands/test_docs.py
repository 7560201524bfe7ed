"""What the pages tell people to type can be typed, and the programs of docs/gradients.md run."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import benchmarks.false_positive_rates
import benchmarks.gradient_scores
import main
from anomaly_methods import cache_statistics, fisher_matrix
from models.registry import FAMILIES
from tests.commands.calls import Call

ROOT = Path(__file__).parents[2]
CARDS = sorted((ROOT / "models").glob("*/README.md"))
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *CARDS]
PROGRAMS = {
    ("python", "main.py"): main.main,
    ("python", "-m", "anomaly_methods.cache_statistics"): cache_statistics.main,
    ("python", "-m", "anomaly_methods.fisher_matrix"): fisher_matrix.main,
    ("python", "-m", "benchmarks.gradient_scores"): benchmarks.gradient_scores.main,
    ("python", "-m", "benchmarks.false_positive_rates"): benchmarks.false_positive_rates.main,
}


def command_lines(page: Path) -> Iterator[list[str]]:
    """Yield the words of each command in the blocks of a page that name no language."""
    for block in re.findall(r"^```\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE):
        for line in block.replace("\\\n", " ").splitlines():
            if line.startswith("python "):
                yield shlex.split(line, comments=True)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_can_be_parsed(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[argparse.Namespace] = []

    def take(arguments: argparse.Namespace) -> int:
        taken.append(arguments)
        return 0

    for command in main.COMMANDS:
        monkeypatch.setattr(command, "run", take)
    monkeypatch.setattr(cache_statistics, "cache", take)
    monkeypatch.setattr(fisher_matrix, "keep_fisher_matrix", take)
    monkeypatch.setattr(benchmarks.gradient_scores, "_run", take)
    monkeypatch.setattr(benchmarks.false_positive_rates, "_run", take)
    tried = 0
    for words in command_lines(page):
        for start, program in PROGRAMS.items():
            if tuple(words[: len(start)]) == start:
                assert program(words[len(start) :]) == 0, words
                tried += 1
    assert len(taken) == tried


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.parent.name)
def test_the_card_of_a_family_shows_samples_and_links_to_what_there_is(card: Path) -> None:
    text = card.read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#:]+)\)", text)  # those with a colon lead out of the project
    assert [link for link in links if not (card.parent / link).exists()] == []
    assert any(link.endswith("samples.png") for link in links)
    assert all(f"\n| {line} |" in text for line in ("what it is", "source", "library", "licence", "bound"))


def test_every_family_has_a_card() -> None:
    assert {card.parent.name for card in CARDS} == set(FAMILIES)


def test_the_page_on_gradients_has_commands_to_try() -> None:
    assert len(list(command_lines(ROOT / "docs" / "gradients.md"))) == 4


def test_programs_of_the_page_on_gradients_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: Call
) -> None:
    monkeypatch.chdir(tmp_path)
    size = ("--scales", "1", "--steps-per-scale", "1", "--hidden-channels", "4", "--steps", "1")
    run = ("--run", "runs/demo/fashion-mnist", "--batch-size", "4")
    assert call("train", "--data", "demo-fashion-mnist", *run, *size).code == 0
    text = (ROOT / "docs" / "gradients.md").read_text(encoding="utf-8")
    names: dict[str, Any] = {}
    exec("\n".join(re.findall(r"```python\n(.*?)```", text, re.DOTALL)), names)  # noqa: S102 - our own page
    assert names["norms"].keys() == names["slow"].keys()
    for name, values in names["norms"].items():
        torch.testing.assert_close(values, names["slow"][name], rtol=1e-3, atol=1e-8)
        assert values.shape == (2,)
