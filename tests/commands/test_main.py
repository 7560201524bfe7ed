"""The program as a whole: help, exit codes and what an error looks like."""

from __future__ import annotations

import argparse
import functools
import subprocess
import sys
from pathlib import Path

import pytest

import main
from commands import demo, sample
from tests.commands.calls import Call

ROOT = Path(__file__).parents[2]
SETS = ("--in-distribution", "a", "--out-of-distribution", "b")
COMMANDS = (
    "demo",
    "train",
    "statistics",
    "evaluate",
    "report",
    "analyse",
    "detect",
    "sample",
    "describe",
    "preset",
)


class Record:
    """Stands for the function of a command, and remembers its arguments."""

    def __init__(self) -> None:
        self.calls: list[argparse.Namespace] = []

    def __call__(self, arguments: argparse.Namespace) -> int:
        self.calls.append(arguments)
        return 0


def test_help_lists_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main.main(["--help"])
    assert exit_.value.code == 0
    printed = capsys.readouterr().out
    assert all(f"\n    {command}" in printed for command in COMMANDS)
    assert "main.py COMMAND --help" in printed


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_teaches_by_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main.main([command, "--help"])
    assert exit_.value.code == 0
    printed = capsys.readouterr().out
    assert f"Example:\n  python main.py {command} " in printed
    assert max(map(len, printed.splitlines())) <= 100


def test_the_examples_can_be_parsed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    record = Record()
    for command in COMMANDS:
        with pytest.raises(SystemExit):
            main.main([command, "--help"])
        examples = capsys.readouterr().out.partition("Example:\n")[2]
        for line in examples.splitlines():
            words = line.partition("main.py ")[2].split()
            if not words:
                continue  # a remark
            monkeypatch.setattr(f"commands.{words[0]}.run", record)
            assert main.main(words) == 0
    assert len(record.calls) >= len(COMMANDS)


@pytest.mark.parametrize(
    "command",
    [
        ("demo",),
        ("train",),
        ("statistics", "--data", "a"),
        ("evaluate", *SETS),
        ("sample", "--output", "x.png"),
        ("report", "--output", "x.html"),
    ],
)
def test_a_run_has_a_name_that_torchrun_leaves_alone(
    command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    record = Record()
    monkeypatch.setattr(f"commands.{command[0]}.run", record)
    for option in ("--run", "--run-folder"):
        assert main.main([*command, option, "somewhere"]) == 0
    assert [str(arguments.run) for arguments in record.calls] == ["somewhere", "somewhere"]


def test_without_a_command_the_demo_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    record = Record()
    monkeypatch.setattr(demo, "run", record)
    monkeypatch.setattr(sys, "argv", ["main.py"])
    assert main.main() == 0
    assert main.main([]) == 0
    assert [arguments.seed for arguments in record.calls] == [0, 0]


@pytest.mark.parametrize("arguments", [["nonsense"], ["train"], ["sample", "--n", "many"], ["--run", "x"]])
def test_a_wrong_call_is_refused_with_the_usage(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_:
        main.main(arguments)
    assert exit_.value.code == 2
    assert capsys.readouterr().err.startswith("usage: main.py")


def fail(error: BaseException, _: argparse.Namespace) -> int:
    raise error


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (ValueError("One thing\n  is wrong."), "One thing is wrong."),
        (FileNotFoundError("There is no such run."), "There is no such run."),
        (
            OSError(28, "No space left on device", "/x/model.safetensors"),
            "/x/model.safetensors: No space left on device.",
        ),
        (OSError(5, "Input/output error"), "[Errno 5] Input/output error"),
    ],
)
def test_bad_input_ends_in_one_sentence_and_code_2(
    error: Exception, sentence: str, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("INVGLOW_TRACEBACK", raising=False)
    monkeypatch.setattr(sample, "run", functools.partial(fail, error))
    assert call("sample", "--run", "x", "--output", "y.png").refusal() == sentence


def test_a_traceback_is_there_when_asked_for(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INVGLOW_TRACEBACK", "1")
    monkeypatch.setattr(sample, "run", functools.partial(fail, ValueError("Wrong.")))
    outcome = call("sample", "--run", "x", "--output", "y.png")
    assert outcome.code == 2
    assert "Traceback (most recent call last)" in outcome.err
    assert outcome.err.endswith("error: Wrong.\n")


def test_a_mistake_of_the_program_is_not_hidden(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample, "run", functools.partial(fail, TypeError("a bug")))
    with pytest.raises(TypeError, match="a bug"):
        call("sample", "--run", "x", "--output", "y.png")


def test_an_interrupt_ends_with_code_130(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample, "run", functools.partial(fail, KeyboardInterrupt()))
    outcome = call("sample", "--run", "x", "--output", "y.png")
    assert outcome.code == 130
    assert outcome.err == "Interrupted; the same command goes on where it can.\n"


def test_as_a_program_it_is_quick_to_help_and_exits_with_its_code() -> None:
    """Help must not wait for torch; and the code reaches the shell."""
    program = (
        "import sys, main\ntry: main.main(['train', '--help'])\nfinally: assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True)
    refused = subprocess.run(
        [sys.executable, "main.py", "evaluate", "--run", "x", *SETS, "--json", "y.csv"],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )
    assert refused.returncode == 2
    assert (refused.stdout, refused.stderr.count("\n")) == ("", 1)
    assert refused.stderr.startswith("error: --json names the JSON file")
