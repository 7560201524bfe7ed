"""Figures and commands agree: where statistics are, and that `--compute` makes what a figure lacks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import main
from anomaly_methods.fisher_options import FisherOptions
from anomaly_methods.kinds import KINDS
from anomaly_methods.stored import Selection
from commands.computing import RunModel, computation_of
from plots.finding import Finder
from tests.commands.calls import Hierarchy

SELECTIONS = [
    Selection(),
    Selection(split="train", limit=7, group_size=3),
    Selection(grey=True, noise_draws=2, seed=4, fisher=FisherOptions("samples", 20, 0.5, 4)),
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("selection", SELECTIONS)
def test_the_command_of_a_figure_writes_the_file_that_it_reads(selection: Selection, kind: str) -> None:
    run = Path("runs/x")
    words = selection.command(run, ["array:/a/b"], [kind])
    computation = computation_of(main._parser().parse_args(words[1:]))
    written = computation.path(RunModel(run, computation.device), "array:/a/b", kind)
    assert written == selection.path(run, "array:/a/b", kind)


def test_compute_makes_what_is_missing_and_nothing_twice(
    copied: Hierarchy, capfd: pytest.CaptureFixture[str]
) -> None:
    finder = Finder(Selection(limit=4, group_size=2), compute=True)
    statistics = finder.statistics(copied.specific, copied.outside, "gradients")
    assert (len(statistics), statistics.meta.kind, statistics.meta.group_size) == (2, "gradients", 2)
    assert "Computing: python main.py statistics" in capfd.readouterr().out
    again = replace(finder, compute=False).statistics(copied.specific, copied.outside, "gradients")
    assert again.meta == statistics.meta
    assert "Computing" not in capfd.readouterr().out
