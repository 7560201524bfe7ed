"""Tables of a page, each in a box of its own that scrolls where the page is narrow."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree.ElementTree import Element

from plots.report.content import StatisticsReport
from plots.report.markup import Content, element
from plots.style import short_name

__all__ = ["duration", "evaluation_tables", "number", "settings_table", "statistics_table", "table"]

_METRICS = {"ap_anomaly": "AP anomaly", "ap_normal": "AP normal", "fpr95": "FPR@95"}
_COUNTS = {"n_in": "n in", "n_out": "n out", "nonfinite": "non-finite"}
_MINUTE, _HOUR = 60, 3600


def table(
    caption: str, header: Sequence[str], rows: Sequence[Sequence[Content]], *, numbers: Sequence[str] = ()
) -> Element:
    """Return a table in a box that scrolls; the first cell of a row is its heading.

    Args:
        caption: what it is.
        header: names of the columns.
        rows: cells, as many as columns.
        numbers: the columns to be aligned as numbers are.
    """
    kinds = ["number" if name in numbers else "text" for name in header]
    head = [element("th", name, scope="col", class_=kind) for name, kind in zip(header, kinds, strict=True)]
    body = []
    for first, *others in rows:
        cells = [element("td", cell, class_=kind) for cell, kind in zip(others, kinds[1:], strict=True)]
        body.append(element("tr", element("th", first, scope="row", class_=kinds[0]), *cells))
    whole = element(
        "table",
        element("caption", element("span", caption)),
        element("thead", element("tr", *head)),
        element("tbody", *body),
    )
    return element("div", whole, class_="scroll", tabindex="0", role="region", aria_label=caption)


def evaluation_tables(rows: Sequence[Mapping[str, Any]]) -> list[Element]:
    """Return one table for each pair of image sets, the highest AUROC in bold."""
    pairs: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for row in rows:
        pairs.setdefault((row["in_distribution"], row["out_of_distribution"]), []).append(row)
    return [_evaluation_table(pair, found) for pair, found in pairs.items()]


def _evaluation_table(pair: tuple[str, str], rows: Sequence[Mapping[str, Any]]) -> Element:
    inside, outside = (short_name(name) for name in pair)
    best = max((row["auroc"] for row in rows if math.isfinite(row["auroc"])), default=None)
    measures = ["AUROC", "95 % interval", *_METRICS.values(), *_COUNTS.values()]
    header = ["method", *measures[:2], "0 to 1", *measures[2:], "bound"]
    size = rows[0]["group_size"]
    group = "single images (group size 1)" if size == 1 else f"groups of {size} images (group size {size})"
    caption = f"{inside} (in) against {outside} (out), {group}; {_models(rows)}"
    body = [_evaluation_row(row, is_best=row["auroc"] == best) for row in rows]
    return table(caption, header, body, numbers=measures)


def _evaluation_row(row: Mapping[str, Any], *, is_best: bool) -> list[Content]:
    auroc = f"{row['auroc']:.3f}"
    return [
        element("code", row["method"]),
        element("strong", auroc) if is_best else auroc,
        f"{row['auroc_low']:.3f} \N{EN DASH} {row['auroc_high']:.3f}",
        _interval(row["auroc"], row["auroc_low"], row["auroc_high"]),
        *(f"{row[name]:.3f}" for name in _METRICS),
        *(f"{row[name]:,}" for name in _COUNTS),
        f"{row['bound']} ({row['evaluation']})" if row.get("evaluation") else row["bound"],
    ]


def _models(rows: Sequence[Mapping[str, Any]]) -> str:
    general = [name for name in dict.fromkeys(row["general_model"] for row in rows) if name]
    models = ", ".join(dict.fromkeys(row["model"] for row in rows))
    return f"model {models}" + (f", general model {', '.join(general)}" if general else "")


def _interval(middle: float, low: float, high: float) -> Element:
    """Return a small drawing of an AUROC on the way from 0 to 1, with a mark at chance."""
    if not all(map(math.isfinite, (middle, low, high))):
        return element("span", "not finite")
    x = [f"{2 + 96 * min(max(value, 0.0), 1.0):.2f}" for value in (middle, low, high)]
    return element(
        "svg",
        element("line", class_="axis", x1="2", x2="98", y1="6", y2="6"),
        element("line", class_="chance", x1="50", x2="50", y1="1", y2="11"),
        element("line", class_="interval", x1=x[1], x2=x[2], y1="6", y2="6"),
        element("circle", class_="point", cx=x[0], cy="6", r="3"),
        class_="interval-plot",
        viewBox="0 0 100 12",
        width="100",
        height="12",
        aria_hidden="true",
    )


def settings_table(section: str, settings: Mapping[str, Any]) -> Element:
    """Return the settings of one section of a run's configuration, nested ones by their path."""
    rows = [(element("code", name), _value(value)) for name, value in _flat(settings)]
    return table(section, ["setting", "value"], rows)


def _flat(settings: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name, value in settings.items():
        path = f"{prefix}{name}"
        found += _flat(value, f"{path}.") if isinstance(value, Mapping) and value else [(path, value)]
    return found


def _value(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return str(value)
    return value if isinstance(value, str) else json.dumps(value)


def statistics_table(files: Sequence[StatisticsReport]) -> Element:
    """Return what is known of statistics files, a row for each."""
    numbers = ["rows", "group size", "dropped", "non-finite", "time"]
    header = ["kind", "set", *numbers, "weights", "file"]
    rows: list[list[Content]] = [
        [
            item.kind,
            f"{short_name(item.dataset)} {item.split}",
            f"{item.rows:,}",
            str(item.group_size),
            f"{item.dropped:,}",
            f"{item.nonfinite:,}",
            duration(item.seconds),
            {True: "this run's", False: "of others", None: "\N{EN DASH}"}[item.of_these_weights],
            element("code", item.file),
        ]
        for item in files
    ]
    return table("Saved statistics", header, rows, numbers=numbers)


def duration(seconds: float | None) -> str:
    """Return a time in words: "0.6 s", "51 s", "4 min 12 s", "2 h 05 min"."""
    if seconds is None:
        return "not recorded"
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE:02} s"
    return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE:02} min"


def number(value: float | None) -> str:
    """Return a whole number with separators of thousands, or a dash."""
    return "\N{EN DASH}" if value is None else f"{value:,}"
