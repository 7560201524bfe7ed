"""The table in its four forms."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace

from anomaly_methods.metrics import separation
from anomaly_methods.table import Row, to_csv, to_json, to_markdown, to_text


def rows() -> list[Row]:
    result = separation([0.0, 1.0, 2.0], [1.0, 3.0, 4.0, 5.0], resamples=50)
    common = {"bound": "exact", "group_size": 1, "model": "runs/a"}
    return [
        Row("raw_likelihood", "cats", "folder:a|b", result, **common),  # type: ignore[arg-type]
        Row("ratio", "cats", "dogs, wet", result, **common, general_model="runs/g"),  # type: ignore[arg-type]
    ]


def test_text_is_aligned() -> None:
    header, first, second = to_text(rows()).splitlines()
    assert first.startswith("raw_likelihood  cats  folder:a|b  0.875")
    assert second.startswith("ratio           cats  dogs, wet   0.875")
    assert header.index("AUROC") == first.index("0.875")
    assert {len(header), len(first), len(second)} == {len(header)}


def test_markdown_escapes_bars() -> None:
    header, rule, first, _ = to_markdown(rows()).splitlines()
    assert header.count("|") == rule.count("|") == first.count("|") - 1 == 14
    assert "folder:a\\|b" in first
    assert "---:" in rule


def test_csv_reads_back_unrounded() -> None:
    found = list(csv.DictReader(io.StringIO(to_csv(rows()))))
    assert [row["out_of_distribution"] for row in found] == ["folder:a|b", "dogs, wet"]
    assert float(found[0]["auroc_low"]) == rows()[0].separation.auroc_low
    assert (found[0]["n_in"], found[1]["general_model"]) == ("3", "runs/g")


def test_json_is_flat_and_plain() -> None:
    entries = json.loads(json.dumps(to_json(rows())))
    assert entries[0]["auroc"] == 0.875
    assert entries[0]["bound"] == "exact"
    assert not any(isinstance(value, dict | list) for value in entries[0].values())


def test_how_likelihoods_were_evaluated_stands_beside_the_bound() -> None:
    row = replace(rows()[0], bound="elbo", evaluation="importance-weighted, 8 codes")
    assert "elbo (importance-weighted, 8 codes)" in to_text([row])
    assert "| elbo (importance-weighted, 8 codes) |" in to_markdown([row])
    assert (to_json([row])[0]["bound"], to_json([row])[0]["evaluation"]) == (row.bound, row.evaluation)


def test_no_rows_give_headers_only() -> None:
    assert to_text([]).startswith("method")
    assert len(to_markdown([]).splitlines()) == 2
    assert (to_csv([]), to_json([])) == ("", [])
