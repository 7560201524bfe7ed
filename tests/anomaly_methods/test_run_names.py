"""Names of runs are as short as they can be and never the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from anomaly_methods.run_names import run_names


@pytest.mark.parametrize(
    ("runs", "names"),
    [
        (["a/model"], ["model"]),
        (["a/model", "b/model"], ["a/model", "b/model"]),
        (["a/model", "b/model", "b/other"], ["a/model", "b/model", "other"]),
        (["x/a/model", "y/a/model", "y/b/model"], ["x/a/model", "y/a/model", "b/model"]),
        (["a/model", "model"], ["a/model", "here/model"]),
        (["/model", "/a/model"], ["/model", "a/model"]),
        (["a/model", "a/model/", "a/b/../model"], ["model"] * 3),
        ([".", "../there"], ["here", "there"]),
        ([], []),
    ],
)
def test_a_name_is_the_shortest_end_of_a_path_that_is_no_others(
    runs: list[str], names: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert run_names([Path(run) for run in runs]) == names


def test_a_run_inside_another_is_named_with_it(tmp_path: Path) -> None:
    run = tmp_path / "a" / "model"
    run.mkdir(parents=True)
    (run / "config.json").write_text("{}")
    assert run_names([run, run / "general"]) == ["model", "model/general"]
    assert run_names([run / "general", tmp_path / "b" / "model" / "general"]) == [
        "a/model/general",
        "b/model/general",
    ]
