"""What docs/runs.md says of a run's files is so: which there are, which may be deleted, how a run moves."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from models.glow import Glow
from tests.commands.calls import SHORT, TINY, Call, Hierarchy

PAGE = (Path(__file__).parents[2] / "docs" / "runs.md").read_text()


def rows(heading: str) -> list[str]:
    """Return the first cells of the table that follows a line which starts so."""
    table = PAGE.partition(f"\n{heading}")[2].partition("\n\n")[2].partition("\n\n")[0]
    return [line.split("|")[1].strip() for line in table.splitlines()[2:]]


@pytest.fixture
def evaluated(copied: Hierarchy, call: Call) -> Hierarchy:
    """Return a hierarchy to harm, in which everything has been computed."""
    assert call(*evaluation(copied)).code == 0
    fisher = ("--data", copied.outside, "--statistics", "fisher_diagonal")
    assert call("statistics", "--run", copied.specific, *fisher).code == 0
    return copied


def evaluation(hierarchy: Hierarchy) -> tuple[str | Path, ...]:
    sets = ("--in-distribution", hierarchy.inside, "--out-of-distribution", hierarchy.outside)
    return ("evaluate", "--run", hierarchy.specific, *sets)


def test_all_files_of_a_run_are_described(evaluated: Hierarchy) -> None:
    cells = re.findall(r"`([^`]+)`", " ".join(rows("A run that is to be read")))
    there = {path.name + "/" * path.is_dir() for path in evaluated.specific.iterdir()}
    there = {re.sub(r"^evaluation-.*(?=\.)", "evaluation-*", name) for name in there}
    assert there == {*cells, "evaluation-*.csv"} - {"incoming/", ".csv"}


def files_in(run: Path, cell: str) -> list[Path]:
    names = [name.rstrip("/") for name in re.findall(r"`([^`]+)`", cell)]
    return [path for name in names for path in run.glob(name)]


@pytest.mark.parametrize("cell", rows("## What may be deleted"))
def test_what_may_be_deleted_is_not_missed(evaluated: Hierarchy, call: Call, cell: str) -> None:
    found = files_in(evaluated.specific, cell)
    assert found or "parts" in cell
    for path in found:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert call(*evaluation(evaluated)).code == 0
    picture = ("--output", evaluated.folder / "x.png")
    assert call("sample", "--run", evaluated.specific, *picture).code == 0


def test_weights_and_configuration_alone_are_a_run_to_start_from(
    evaluated: Hierarchy, hierarchy: Hierarchy, call: Call, tmp_path: Path
) -> None:
    handed_on = tmp_path / "handed-on"
    handed_on.mkdir()
    for name in ("config.json", "model.safetensors"):
        shutil.copy(evaluated.general / name, handed_on)
    assert call("statistics", "--run", handed_on, "--data", evaluated.wide).code == 0
    for origin in ("--base", "--continue"):
        command = ("train", "--data", evaluated.inside, origin, handed_on, "--run", tmp_path / origin, *SHORT)
        assert call(*command).code == 0
    again = ("train", "--data", hierarchy.wide, "--run", handed_on, *SHORT, *TINY)
    assert "holds weights without a checkpoint to go on from" in call(*again).refusal()


def moved(hierarchy: Hierarchy, to: Path) -> Path:
    return Path(shutil.copytree(hierarchy.specific, to))


def move_and_lose_the_rest(hierarchy: Hierarchy, to: Path) -> Path:
    run = moved(hierarchy, to)
    shutil.rmtree(hierarchy.folder / "runs")
    return run


@pytest.mark.parametrize("move", [moved, move_and_lose_the_rest])
def test_a_run_that_moved_needs_nothing_that_stayed(
    evaluated: Hierarchy,
    call: Call,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    move: Callable[[Hierarchy, Path], Path],
) -> None:
    def asked(*_: object) -> None:
        raise AssertionError("the model was asked, though the statistics moved with it")

    first = call(*evaluation(evaluated)).out
    run = move(evaluated, tmp_path / "elsewhere")
    monkeypatch.setattr(Glow, "scale_terms", asked)
    sets = ("--in-distribution", evaluated.inside, "--out-of-distribution", evaluated.outside)
    outcome = call("evaluate", "--run", run, *sets)
    assert outcome.code == 0
    assert outcome.out.partition("Written")[0] == first.partition("Written")[0]
