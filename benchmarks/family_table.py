"""One table out of several of `benchmarks.gradient_scores`: models side by side, the bound in every row.

    python -m benchmarks.family_table Glow=glow.json VAE=vae.json diffusion=diffusion.json

Each name is what the table calls the model of the file after it; a model that was evaluated in several ways
has several files of one name, and a row for each way.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.report import markdown_table
from invglow.exit_code import exit_code

__all__ = ["family_table", "main"]

_NONE = "-"
_Key = tuple[str, str, int, str]


def family_table(scores: Sequence[tuple[str, Mapping[str, Any]]]) -> str:
    """Return Markdown: a row per pair, group size, model and bound, a column per method.

    Cells hold the AUROC with its 95 % interval.

    Args:
        scores: name of a model and what `benchmarks.gradient_scores --json` wrote, for each file.
    """
    rows: dict[_Key, dict[str, str]] = {}
    for name, file in scores:
        for score in file["scores"]:
            key = (score["pair"], name, score["group_size"], _bound(score))
            rows.setdefault(key, {})[score["method"]] = _auroc(score)
    methods = list(dict.fromkeys(method for found in rows.values() for method in found))
    models = list(dict.fromkeys(name for name, _ in scores))
    pairs = list(dict.fromkeys(pair for pair, *_ in rows))
    ordered = sorted(rows, key=lambda key: (pairs.index(key[0]), key[2], models.index(key[1])))
    return markdown_table(
        ["pair", "groups of", "model", "log p", *(f"`{method}`" for method in methods)],
        [
            [pair, str(size), name, bound, *(rows[pair, name, size, bound].get(m, _NONE) for m in methods)]
            for pair, name, size, bound in ordered
        ],
    )


def _bound(score: Mapping[str, Any]) -> str:
    return f"{score['bound']} ({score['evaluation']})" if score["evaluation"] else str(score["bound"])


def _auroc(score: Mapping[str, Any]) -> str:
    return f"{score['auroc']:.3f} ({score['auroc_low']:.3f} - {score['auroc_high']:.3f})"


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table; return 0, or 2 where the input is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.family_table",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "files", nargs="+", metavar="NAME=FILE.json", help="what to call a model, and its file"
    )
    options = parser.parse_args(argv)
    return exit_code(lambda: _run(options.files))


def _run(files: Sequence[str]) -> int:
    print(family_table([_read(file) for file in files]))
    return 0


def _read(argument: str) -> tuple[str, Mapping[str, Any]]:
    name, separator, path = argument.partition("=")
    if not (separator and name and path):
        raise ValueError(f"Name each file as NAME=FILE.json, got {argument}.")
    try:
        content = json.loads(Path(path).read_text())
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is not JSON ({error}): name what gradient_scores --json wrote.") from error
    if not (isinstance(content, dict) and isinstance(content.get("scores"), list)):
        raise ValueError(f"{path} holds no scores: name what gradient_scores --json wrote.")
    return name, content


if __name__ == "__main__":
    sys.exit(main())
