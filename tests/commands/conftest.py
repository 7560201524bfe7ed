"""A hierarchy of two tiny runs that the tests of all commands share, and copies of it to harm."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.commands.calls import Call, Hierarchy, train_hierarchy


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    """Return what runs a command of main.py and gives its code and output."""
    return Call(capsys)


@pytest.fixture(scope="session")
def hierarchy(tmp_path_factory: pytest.TempPathFactory) -> Hierarchy:
    """Train the two runs; nobody may change them."""
    return train_hierarchy(tmp_path_factory.mktemp("hierarchy"))


@pytest.fixture
def copied(hierarchy: Hierarchy, tmp_path: Path) -> Hierarchy:
    """Return a copy that a test may change; its runs still know the data and the base of the original."""
    shutil.copytree(hierarchy.folder, tmp_path / "copied")
    return Hierarchy(tmp_path / "copied")
