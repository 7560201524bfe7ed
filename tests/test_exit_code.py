"""How commands end, and how the library's warnings look on a terminal."""

from __future__ import annotations

import warnings

import pytest

from invglow.exit_code import exit_code


def test_a_note_of_the_library_has_no_place_in_the_code() -> None:
    def shown(category: type[Warning]) -> str:
        return warnings.formatwarning("2 of 5 pictures cannot be read.", category, "store.py", 57)

    def command() -> int:
        assert shown(UserWarning) == "note: 2 of 5 pictures cannot be read.\n"
        assert shown(DeprecationWarning).startswith("store.py:57: DeprecationWarning: 2 of 5")
        return 0

    before = warnings.formatwarning
    assert exit_code(command) == 0
    assert warnings.formatwarning is before


def test_an_interrupt_says_what_is_true_of_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    def command() -> int:
        raise KeyboardInterrupt

    assert exit_code(command, interrupted="nothing was written") == 130
    assert capsys.readouterr().err == "Interrupted; nothing was written.\n"
