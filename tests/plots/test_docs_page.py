"""Every command of docs/plots.md is one that its module takes, and every module that draws is on the page."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import pytest

from tests.programs import run_module

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "plots.md").read_text(encoding="utf-8")
SETS = "--in-distribution cifar10 --out-of-distribution svhn"
BLOCKS = re.findall(r"^```\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
LINES = [line for block in BLOCKS for line in block.replace("\\\n", " ").splitlines()]
INLINE = [code for code in re.findall(r"`([^`\n]+)`", PAGE) if "NAME" not in code]
COMMANDS = [
    shlex.split(line.replace("$SETS", SETS))
    for line in (*LINES, *INLINE)
    if line.startswith("python -m plots.")
]


def modules() -> set[str]:
    """Return the modules below plots/ that run with `python -m`."""
    found = set()
    for path in (ROOT / "plots").rglob("*.py"):
        if 'if __name__ == "__main__"' in path.read_text(encoding="utf-8"):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found.add(".".join(parts[:-1] if parts[-1] == "__main__" else parts))
    return found


def test_every_module_has_a_command_on_the_page() -> None:
    # What `python -m plots.anomaly_table` runs is in a file of its own.
    assert modules() - {words[2] for words in COMMANDS} <= {"plots.anomaly_table.tables"}


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[2])
def test_commands_are_taken_and_miss_nothing_but_their_runs(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Options that a module does not know would print its usage."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", words[2:])
    with pytest.raises(SystemExit) as end:
        run_module(words[2])
    (line,) = capsys.readouterr().err.splitlines()
    assert end.value.code == 2
    assert re.search(r"is not a run folder|no such file|No such file|There is no|not there", line), line
