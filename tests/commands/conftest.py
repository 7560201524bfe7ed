"""A hierarchy of two tiny runs that the tests of all commands share, and copies of it to harm."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import main
from tests.commands.calls import SHORT, TINY, Call, Hierarchy, save_images


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    """Return what runs a command of main.py and gives its code and output."""
    return Call(capsys)


@pytest.fixture(scope="session")
def hierarchy(tmp_path_factory: pytest.TempPathFactory) -> Hierarchy:
    """Train the two runs; nobody may change them."""
    found = Hierarchy(tmp_path_factory.mktemp("hierarchy"))
    data = found.folder / "data"
    save_images(data / "wide.npy", 24)
    save_images(data / "inside" / "train.npy", 16, seed=1, values=(0, 80))
    save_images(data / "inside" / "test.npy", 50, seed=2, values=(0, 80))
    save_images(data / "outside.npy", 10, seed=3, values=(170, 256))
    general = ["--data", found.wide, "--run", str(found.general)]
    specific = ["--data", found.inside, "--run", str(found.specific), "--base", str(found.general)]
    assert main.main(["train", *general, *SHORT, *TINY]) == 0
    assert main.main(["train", *specific, *SHORT, "--evaluate-on", found.outside]) == 0
    return found


@pytest.fixture
def copied(hierarchy: Hierarchy, tmp_path: Path) -> Hierarchy:
    """Return a copy that a test may change; its runs still know the data and the base of the original."""
    shutil.copytree(hierarchy.folder, tmp_path / "copied")
    return Hierarchy(tmp_path / "copied")
