"""The programs in docs/methods.md and docs/statistics_file.md run as they stand there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anomaly_methods.methods.registry import ALIASES, METHODS
from anomaly_methods.methods.sources import GENERAL_LIKELIHOOD, SPECIFIC_GRADIENTS, SPECIFIC_LIKELIHOOD
from anomaly_methods.statistics import Statistics
from tests.anomaly_methods.examples import make_statistics
from tests.anomaly_methods.gradient_examples import all_sources

DOCS = Path(__file__).parents[2] / "docs"


def programs(page: str) -> str:
    return "\n".join(re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(), flags=re.DOTALL))


def statistics(dataset: str, checkpoint: str) -> Statistics:
    generator = np.random.default_rng([len(dataset), ord(checkpoint)])
    columns = {name: generator.normal(size=40) for name in ("log_prob", "log_prob.scale0")}
    return make_statistics(columns, dataset=dataset, dataset_sha256=dataset, checkpoint_sha256=checkpoint)


def test_programs_about_the_file_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    statistics("cifar10", "a").save(tmp_path / "cifar10-test.npz")
    names: dict[str, Any] = {}
    exec(programs("statistics_file.md"), names)  # noqa: S102 - the project's own page
    assert len(names["fit"]) == len(names["test"]) == 20


def test_programs_about_methods_run(capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {
        "in_distribution": statistics("cifar10", "a"),
        "others": statistics("svhn", "a"),
        "specific": statistics("svhn", "a"),
        "general": statistics("svhn", "b"),
    }
    for dataset in ("cifar10", "svhn"):
        names |= {
            f"specific_on_{dataset}": statistics(dataset, "a"),
            f"general_on_{dataset}": statistics(dataset, "b"),
            f"gradients_on_{dataset}": all_sources(dataset, 40, checkpoint_sha256="a")[SPECIFIC_GRADIENTS],
        }
    exec(programs("methods.md"), names)  # noqa: S102 - the project's own page
    assert len(names["scores"]) == len(names["ratio"]) == 40
    there = {SPECIFIC_LIKELIHOOD, GENERAL_LIKELIHOOD, SPECIFIC_GRADIENTS}
    usable = [method for method in METHODS.values() if there.issuperset(method.sources.values())]
    assert len(capsys.readouterr().out.splitlines()) == 1 + len(usable)
    assert len(names["disagreement"]) == 40
    assert len(names["found"].combined) == 40
    assert names["flags"].dtype == bool


def test_programs_about_analyses_run(capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {
        "in_distribution": statistics("cifar10", "a"),
        "others": statistics("svhn", "a"),
        "specific": statistics("svhn", "a"),
        "general": statistics("svhn", "b"),
    }
    exec(programs("analyses.md"), names)  # noqa: S102 - the project's own page
    assert float(capsys.readouterr().out) == names["rows"][0].spearman
    assert [row.scale for row in names["shares"]] == ["0", "total"] * 2


def test_every_method_stands_in_the_table() -> None:
    page = (DOCS / "methods.md").read_text()
    assert [name for name in METHODS if f"| `{name}` |" not in page] == []
    assert [name for name in ALIASES if f"`{name}`" not in page] == []
