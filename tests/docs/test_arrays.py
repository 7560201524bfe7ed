"""What the page of the notebooks shows of arrays in memory runs as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from anomaly_methods.statistics import Statistics

PAGE = Path(__file__).parents[2] / "docs" / "notebooks" / "README.md"


def test_two_models_of_arrays_are_trained_and_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (program,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    exec(compile(program, str(PAGE), "exec"), {})  # noqa: S102 - the page's own lines
    out, err = capsys.readouterr()
    found = re.findall(r"(\w+): AUROC [01]\.\d{3}, log p is (\w+)", out)
    assert found == [("glow", "exact"), ("vae", "elbo")]
    assert not err
    assert Statistics.load(str(tmp_path / "runs" / "glow" / "inside.npz")).meta.model == "glow"
