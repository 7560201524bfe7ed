"""Statistics are found where commands keep them; what is missing is named with a command that makes it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from anomaly_methods.methods.registry import get_method
from anomaly_methods.stored import Selection
from plots.finding import Finder, Need, require_alike
from tests.plots.examples import gradients, keep, likelihood, make_run


def test_statistics_are_read_where_commands_keep_them(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    keep(gradients("svhn", group_size=5), run)
    keep(likelihood("svhn"), run)
    assert len(Finder(Selection(group_size=5)).statistics(run, "svhn", "gradients")) == 40
    found = Finder().sources({"specific": run}, "svhn", get_method("typicality").sources.values())
    assert [source.kind for source in found] == ["likelihood"]


def test_what_is_missing_is_named_with_one_command(tmp_path: Path) -> None:
    run = make_run(tmp_path / "a run")
    keep(gradients("svhn", group_size=5), run)
    finder = Finder(Selection(group_size=5, limit=9))
    with pytest.raises(FileNotFoundError) as error:
        finder.require([Need(run, ("svhn", "celeba"), ("gradients", "likelihood"))])
    assert str(error.value).endswith(
        f"python main.py statistics --run '{run}' --data svhn celeba --statistics gradients likelihood "
        "--limit 9 --group-size 5"
    )
    with pytest.raises(FileNotFoundError, match=r"--data celeba --statistics gradients --group-size 5$"):
        Finder(Selection(group_size=5)).require([Need(run, ("svhn", "celeba", "celeba"), ("gradients",))])


def test_compute_runs_that_very_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, called = make_run(tmp_path / "run"), []

    def start(words: Sequence[str], **_: object) -> SimpleNamespace:
        called.append(words)
        keep(likelihood("svhn"), run)
        return SimpleNamespace(returncode=0)

    monkeypatch.setattr(subprocess, "run", start)
    finder = Finder(compute=True)
    for _ in range(2):
        assert len(finder.statistics(run, "svhn")) == 40
    ((python, script, *words),) = called
    assert python == sys.executable
    assert Path(script).name == "main.py"
    assert Path(script).is_file()
    assert words == ["statistics", "--run", str(run), "--data", "svhn", "--statistics", "likelihood"]


def test_a_command_that_fails_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: SimpleNamespace(returncode=2))
    with pytest.raises(ValueError, match=r"exit code 2.*--data svhn"):
        Finder(compute=True).statistics(make_run(tmp_path / "run"), "svhn")


def test_statistics_of_earlier_weights_are_refused(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    keep(likelihood("svhn"), run)
    for sha256, is_current in (("0" * 64, True), ("1" * 64, False)):
        manifest = {"step": 3, "sha256": {"model.safetensors": sha256}}
        (run / "checkpoint.json").write_text(json.dumps(manifest))
        if is_current:
            Finder().statistics(run, "svhn")
        else:
            with pytest.raises(ValueError, match=r"of other weights .* --recompute$"):
                Finder().statistics(run, "svhn")


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"group_size": 5}, "group_size"),
        ({"checkpoint_sha256": "1" * 64}, "checkpoint_sha256"),
        ({"split": "train"}, "split"),
        ({"settings": {"evaluation": {"timestep": 1}}}, "settings"),
    ],
)
def test_statistics_computed_otherwise_are_not_compared(changes: dict[str, Any], name: str) -> None:
    require_alike([likelihood("svhn"), likelihood("celeba")])
    with pytest.raises(ValueError, match=rf"but {name} is .*'svhn'.*'celeba'"):
        require_alike([likelihood("svhn"), likelihood("celeba", **changes)])
    with pytest.raises(ValueError, match="at least one set"):
        require_alike([])
