"""The commands that repeat a run and its evaluations, told from what was recorded."""

from __future__ import annotations

import argparse
import itertools
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from commands import evaluate
from commands.naming import evaluation_name

if TYPE_CHECKING:
    from anomaly_methods.meta import StatisticsMeta

__all__ = ["evaluate_command", "outline", "seed_of", "shell"]

_LONGEST_LINE = 72
_SEEDS = range(1, 10)  # that people give; the seed of halves and bootstrap is in no file


def evaluate_command(
    run: str,
    rows: Sequence[Mapping[str, Any]],
    stem: str,
    metas: Sequence[StatisticsMeta],
    general: str | None = None,
) -> list[str]:
    """Return the command that writes this very table, as words, or none where none that might is the one.

    Options are not read out of the name of the file. Commands that fit the content of the table and the
    statistics beside it are tried, and the one that would give its result this name is taken.

    Args:
        run: the run as the user names it.
        rows: of the table.
        stem: name of its file, without the suffix.
        metas: of the statistics that the run holds.
        general: the general model as the user names it, if so.
    """
    parser = _parser(evaluate)
    for words in _candidates(run, rows, metas, general):
        try:
            arguments = parser.parse_args(words)
        except ValueError:  # a set whose name looks like an option
            continue
        if evaluation_name(arguments) == stem:
            return words
    return []


def seed_of(words: Sequence[str]) -> int:
    """Return the seed of a command to evaluate; that of no words is the default."""
    return int(words[words.index("--seed") + 1]) if "--seed" in words else 0


def outline(run: str, rows: Sequence[Mapping[str, Any]] = ()) -> str:
    """Return what a command to evaluate looks like, with sets, methods and group size of a table, if any."""
    return shell(_sets(run, rows) + (_methods(rows) + _group(rows) if rows else []))


def shell(words: Sequence[str]) -> str:
    """Return a command of main.py to type; one of many options has a line for each."""
    line = f"python main.py {shlex.join(words)}"
    if len(line) <= _LONGEST_LINE:
        return line
    parts: list[list[str]] = [[]]
    for word in words:
        if word.startswith("--"):
            parts.append([])
        parts[-1].append(word)
    return " \\\n    ".join(["python main.py " + shlex.join(parts[0]), *map(shlex.join, parts[1:])])


def _candidates(
    run: str, rows: Sequence[Mapping[str, Any]], metas: Sequence[StatisticsMeta], general: str | None
) -> Iterator[list[str]]:
    """Yield commands that may have made a table, plain ones first."""
    names = {row[side] for row in rows for side in ("in_distribution", "out_of_distribution")}
    own = [meta for meta in metas if meta.dataset in names and meta.group_size == rows[0]["group_size"]]
    end = [] if not any(row["nonfinite"] for row in rows) else ["--nonfinite", "anomalous"]
    choices: list[list[list[str]]] = [
        [[], _methods(rows)],
        [[], *(["--limit", str(limit)] for limit in _limits(rows, own))],
        [[], ["--split", "train"]],
        [[], ["--grey"]],
        [[], *(["--noise-draws", str(n)] for n in sorted({meta.noise_draws for meta in own} - {0}))],
        [[], *(["--seed", str(seed)] for seed in _SEEDS)],
        [[], ["--general", general]] if general else [[]],
    ]
    for options in itertools.product(*choices):
        yield [*_sets(run, rows), *itertools.chain(*options), *_group(rows), *end]


def _limits(rows: Sequence[Mapping[str, Any]], metas: Sequence[StatisticsMeta]) -> list[int]:
    """Return how many images the sets may be limited to; methods that fit are tested on half of them."""
    counts = {row["n_out"] for row in rows} | {row["n_in"] for row in rows}
    counts |= {twice for row in rows for twice in (2 * row["n_in"], 2 * row["n_in"] - 1)}
    size = rows[0]["group_size"]
    dropped = {meta.dropped for meta in metas} | {0}
    return sorted({count * size + rest for count in counts for rest in dropped} - {0})


def _sets(run: str, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    inside = rows[0]["in_distribution"] if rows else "NAME"
    outside = list(dict.fromkeys(row["out_of_distribution"] for row in rows)) or ["NAME"]
    return ["evaluate", "--run", run, "--in-distribution", inside, "--out-of-distribution", *outside]


def _methods(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    return ["--method", *dict.fromkeys(row["method"] for row in rows)]


def _group(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    size = rows[0]["group_size"]
    return [] if size == 1 else ["--group-size", str(size)]


class _Parser(argparse.ArgumentParser):
    """Raises where others print and exit."""

    def error(self, message: str) -> NoReturn:
        raise ValueError(message)


def _parser(command: Any) -> _Parser:
    parser = _Parser()
    command.add_parser(parser.add_subparsers())
    return parser
