"""Tables: nothing is lost or taken for markup in LaTeX, Markdown and CSV."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from plots.written_table import Cell, WrittenTable, save_written_table, to_latex, to_markdown

ODD = "raw_likelihood & 50 % of | {x}"


def test_latex_escapes_what_would_be_markup() -> None:
    lines = to_latex(_table()).splitlines()
    assert lines[0] == "% AUROC of two models"
    assert lines[1] == r"\begin{tabular}{lr}"
    assert lines[3] == r"model & raw\_AUROC \\"
    assert lines[5] == r"raw\_likelihood \& 50 \% of | \{x\} & \textbf{0.966 (0.962 -- 0.969)} \\"
    assert lines[-1] == r"\end{tabular}"


def test_a_backslash_is_escaped_once() -> None:
    table = WrittenTable("c", ["a"], [[Cell("\\_{")]], [])
    assert r"\textbackslash{}\_\{ \\" in to_latex(table)


def test_markdown_has_as_many_columns_in_every_row() -> None:
    caption, empty, *lines = to_markdown(_table()).splitlines()
    assert (caption, empty) == ("AUROC of two models", "")
    assert lines[1] == "| --- | ---: |"
    assert {line.replace("\\|", "").count("|") for line in lines} == {3}
    assert lines[2].endswith("| **0.966 (0.962 \N{EN DASH} 0.969)** |")
    assert lines[3] == "| other |  |"


def test_csv_holds_the_numbers_unrounded(tmp_path: Path) -> None:
    files = save_written_table(_table(), tmp_path / "lr-0.1")
    assert [file.name for file in files] == ["lr-0.1.tex", "lr-0.1.md", "lr-0.1.csv"]
    with files[2].open(newline="") as file:
        assert list(csv.DictReader(file)) == [{"model": ODD, "auroc": "0.9657"}]


def test_rows_of_another_length_are_refused() -> None:
    with pytest.raises(ValueError, match="needs 2 cells, got 1"):
        WrittenTable("c", ["a", "b"], [[Cell("x")]], [])
    with pytest.raises(ValueError, match="has no rows"):
        WrittenTable("c", ["a", "b"], [], [])


def _table() -> WrittenTable:
    rows = [
        [Cell(ODD), Cell("0.966 (0.962 \N{EN DASH} 0.969)", bold=True)],
        [Cell("other"), Cell("", bold=True)],
    ]
    return WrittenTable(
        "AUROC of two models", ["model", "raw_AUROC"], rows, [{"model": ODD, "auroc": 0.9657}]
    )
