"""Rows of any dataclass as text, CSV and JSON."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass

from anomaly_methods.analyses.rows import to_csv, to_json, to_text


@dataclass(frozen=True)
class Measurement:
    name: str
    value: float
    n: int


ROWS = [Measurement("short", 0.123456789, 7), Measurement("a longer name", float("nan"), 12345)]


def test_text_is_aligned_words_left_and_numbers_right() -> None:
    assert to_text(ROWS).splitlines() == [
        "name            value      n",
        "short          0.1235      7",
        "a longer name       -  12345",
    ]
    assert to_text([Measurement("large", -7654321.5, 1)]).splitlines()[1].split() == [
        "large",
        "-7654322",
        "1",
    ]
    assert to_text([Measurement("huge", float("inf"), 1)]).splitlines()[1].split() == ["huge", "inf", "1"]


def test_files_have_unrounded_numbers_and_nothing_for_nan() -> None:
    assert json.loads(json.dumps(to_json(ROWS)))[0] == {"name": "short", "value": 0.123456789, "n": 7}
    assert to_json(ROWS)[1]["value"] is None
    read = list(csv.DictReader(io.StringIO(to_csv(ROWS))))
    assert [row["value"] for row in read] == ["0.123456789", ""]


def test_no_rows_are_nothing() -> None:
    assert (to_text([]), to_csv([]), to_json([])) == ("", "", [])
