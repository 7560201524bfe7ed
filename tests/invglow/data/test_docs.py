"""The examples of docs/data.md run as they stand and give what they say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from invglow.data.registry import known_sets

PAGE = Path(__file__).parents[3] / "docs" / "data.md"


def test_examples_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for example in re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL):
        exec(example, names)  # noqa: S102  # the page's own text, not a file of somebody else
    assert capsys.readouterr().out == "2000 (1, 32, 32)\n"
    assert tuple(names["batch"].shape) == (2, 1, 32, 32)  # type: ignore[attr-defined]  # a tensor
    assert tuple(names["x"].shape) == (64, 1, 32, 32)  # type: ignore[attr-defined]


def test_every_set_is_in_the_table() -> None:
    table = PAGE.read_text(encoding="utf-8")
    assert [name for name in known_sets() if f"`{name}`" not in table] == []
