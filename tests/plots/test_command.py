"""Figures end as every command does."""

from __future__ import annotations

import errno
import os
import shlex

import pytest

from plots.command import figure_parser, run_command


def interrupted() -> None:
    raise KeyboardInterrupt


def folder_as_a_file() -> None:
    raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), "empty")


def no_number() -> None:
    raise ValueError("--limit must be at least 1,\ngot 0.")


@pytest.mark.parametrize(
    ("main", "code", "said"),
    [
        (interrupted, 130, "Interrupted; the same command goes on where it can."),
        (folder_as_a_file, 2, "error: empty: Is a directory."),
        (no_number, 2, "error: --limit must be at least 1, got 0."),
    ],
)
def test_a_figure_that_is_not_drawn_says_why_in_one_line(
    main: object, code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert callable(main)
    with pytest.raises(SystemExit) as end:
        run_command(main)
    assert end.value.code == code
    assert capsys.readouterr().err == f"{said}\n"


def test_a_figure_that_is_drawn_goes_on() -> None:
    drawn: list[str] = []
    run_command(lambda: drawn.append("figure"))
    assert drawn == ["figure"]


def test_an_example_can_be_copied_into_a_shell() -> None:
    words = (
        "--run runs/cifar10 --in-distribution cifar10 --out-of-distribution svhn celeba --limit 2000 --seed 1"
    )
    parser = figure_parser("plots.scale_shares", "About.", words)
    _, _, example = parser.format_help().partition("Example:\n")
    assert example.count("\\\n") == 1
    assert shlex.split(example.replace("\\\n", " ")) == ["python", "-m", "plots.scale_shares", *words.split()]
