"""Tables of a page say what is so, in words that fit the numbers."""

from __future__ import annotations

from typing import Any

import pytest

from plots.report.markup import element, page_text
from plots.report.tables import duration, evaluation_tables, settings_table, table


def text_of(*parts: Any) -> str:
    return page_text(element("html", element("head"), element("body", *parts)), "")


def row(method: str = "typicality", **changes: Any) -> dict[str, Any]:
    numbers = {"auroc": 0.9, "auroc_low": 0.85, "auroc_high": 0.95, "ap_anomaly": 0.8, "ap_normal": 0.7}
    names = {"method": method, "in_distribution": "array:/x/mine", "out_of_distribution": "other"}
    counts = {"n_in": 1000, "n_out": 2000, "group_size": 1, "nonfinite": 0}
    rest = {"bound": "exact", "model": "m", "general_model": "", "fpr95": 0.25}
    return {**names, **numbers, **counts, **rest, **changes}


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "not recorded"),
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (252, "4 min 12 s"),
        (3599.7, "1 h 00 min"),
        (7500, "2 h 05 min"),
    ],
)
def test_times_are_in_words(seconds: float | None, words: str) -> None:
    assert duration(seconds) == words


def test_each_pair_of_sets_has_a_table_with_its_best_in_bold() -> None:
    rows = [row(), row("waic", auroc=0.4), row(out_of_distribution="third", auroc=0.2)]
    tables = evaluation_tables(rows)
    assert len(tables) == 2
    text = text_of(*tables)
    assert "mine (in) against other (out), single images (group size 1); model m" in text
    assert text.count("<strong>") == 2
    assert "<strong>0.900</strong>" in text
    assert "<strong>0.200</strong>" in text
    assert "0.850 \N{EN DASH} 0.950" in text
    assert ">2,000<" in text


def test_groups_bounds_and_general_models_are_named() -> None:
    changes: dict[str, Any] = {
        "group_size": 5,
        "bound": "elbo/exact",
        "general_model": "base",
        "evaluation": "samples=4",
    }
    text = text_of(*evaluation_tables([row(**changes)]))
    assert "groups of 5 images (group size 5); model m, general model base" in text
    assert "elbo/exact (samples=4)" in text


def test_numbers_that_are_not_finite_are_said_and_not_drawn() -> None:
    text = text_of(*evaluation_tables([row(auroc=float("nan"))]))
    assert ">nan<" in text
    assert "not finite" in text
    assert "<strong>" not in text
    assert "<circle" not in text


def test_settings_keep_their_nesting_and_say_nothing_in_words() -> None:
    text = text_of(settings_table("Model", {"a": {"b": [1, 2], "c": None}, "d": True, "e": 0.001, "f": {}}))
    for name, value in {"a.b": "[1, 2]", "a.c": "none", "d": "yes", "e": "0.001", "f": "{}"}.items():
        assert f'<code>{name}</code></th><td class="text">{value}</td>' in text


def test_rows_must_be_as_long_as_the_header() -> None:
    with pytest.raises(ValueError, match=r"shorter|longer"):
        table("A table", ["one", "two"], [["only"]])
