"""The benchmark of imports measures a real import, in a process of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.import_speed import FORMS, measure, save
from invglow.checkpoints import read_config
from invglow.legacy import read_published


@pytest.mark.parametrize("form", FORMS)
def test_its_files_are_published_models(tmp_path: Path, form: str) -> None:
    found = read_published(save(tmp_path / "published", form, hidden_channels=4, steps=1))
    assert (found.config.hidden_channels, found.config.steps_per_scale) == (4, 1)


def test_it_imports_and_measures(tmp_path: Path) -> None:
    source = save(tmp_path / "published", "old", hidden_channels=4, steps=1)
    found = measure(source, tmp_path / "run")
    assert found["seconds"] > 0
    assert found["bytes"] >= 0
    assert read_config(tmp_path / "run")["imported"]["from"] == str(source)
