"""What every test shares: none reads or writes the user's own data sets and runs."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _own_folders(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Point the library's folders away from the user's; commands that tests start inherit this."""
    root = tmp_path_factory.getbasetemp() / "folders"
    monkeypatch.setenv("INVGLOW_DATA", str(root / "data"))
    monkeypatch.setenv("INVGLOW_RUNS", str(root / "runs"))
