"""Models side by side in one table."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.family_table import family_table, main


def _score(method: str, auroc: float, **changes: Any) -> dict[str, Any]:
    score = {"pair": "a / b", "method": method, "group_size": 1, "bound": "exact", "evaluation": ""}
    return {**score, "auroc": auroc, "auroc_low": auroc - 0.1, "auroc_high": auroc + 0.1, **changes}


def _rows(table: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]


def test_every_row_names_the_bound_and_models_stand_side_by_side() -> None:
    glow = {"scores": [_score("raw", 0.5), _score("raw", 0.6, group_size=5), _score("naive", 0.7)]}
    bound = {"scores": [_score("raw", 0.3, bound="elbo", evaluation="2 codes")]}
    step = {"scores": [_score("naive", 0.8, bound="surrogate", evaluation="timestep 4")]}
    header, _, *rows = _rows(family_table([("Glow", glow), ("own", bound), ("own", step)]))
    assert header == ["pair", "groups of", "model", "log p", "`raw`", "`naive`"]
    assert rows == [
        ["a / b", "1", "Glow", "exact", "0.500 (0.400 - 0.600)", "0.700 (0.600 - 0.800)"],
        ["a / b", "1", "own", "elbo (2 codes)", "0.300 (0.200 - 0.400)", "-"],
        ["a / b", "1", "own", "surrogate (timestep 4)", "-", "0.800 (0.700 - 0.900)"],
        ["a / b", "5", "Glow", "exact", "0.600 (0.500 - 0.700)", "-"],
    ]


def test_pairs_stay_together_in_the_order_of_the_files() -> None:
    first = {"scores": [_score("raw", 0.5), _score("raw", 0.5, pair="c / d")]}
    _, _, *rows = _rows(family_table([("x", first), ("y", {"scores": [_score("raw", 0.5)]})]))
    assert [row[:3] for row in rows] == [["a / b", "1", "x"], ["a / b", "1", "y"], ["c / d", "1", "x"]]


def test_the_command_prints_the_table_of_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "s.json").write_text(json.dumps({"scores": [_score("raw", 0.5)]}))
    assert main([f"VAE={tmp_path / 's.json'}"]) == 0
    assert "| VAE" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "argument", "said"),
    [
        ("{}", "VAE={}", "holds no scores"),
        ("[", "VAE={}", "is not JSON"),
        ("[]", "{}", "Name each file as NAME=FILE.json"),
        ("[]", "VAE={}x", "No such file"),
    ],
)
def test_bad_input_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, argument: str, said: str
) -> None:
    path = tmp_path / "s.json"
    path.write_text(content)
    assert main([argument.format(path)]) == 2
    assert said in capsys.readouterr().err
