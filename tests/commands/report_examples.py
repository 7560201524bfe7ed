"""Runs to report on, and pages as a browser's parser sees them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

from anomaly_methods.statistics import Statistics
from tests.commands.calls import Hierarchy, newest_results

__all__ = ["HOSTILE", "Page", "hostile_run"]

HOSTILE = "\"'></style><script>alert(1)</script><img src=x onerror=alert(2)>$\\frac{&amp;"
_VOID = ("meta", "img", "link", "br", "hr", "input", "source")


class Page(HTMLParser):
    """The elements of a page.

    Attributes:
        elements: (tag, attributes) in their order.
        texts: (tags around it, text) of every text.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[tuple[str, ...], str]] = []
        self._open: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))
        self.close()
        assert self._open == [], "every element is closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in _VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append((tuple(self._open), data))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """Return the attributes of every element of a kind."""
        return [attributes for found, attributes in self.elements if found == tag]

    def text(self, tag: str | None = None) -> str:
        """Return all text, or that inside elements of a kind."""
        inside = [data for around, data in self.texts if tag is None or tag in around]
        return "".join(inside)

    def commands(self) -> Iterator[str]:
        """Yield the commands, without the breaks between their lines."""
        for around, data in self.texts:
            if "pre" in around:
                yield data.replace("\\\n", " ")


def hostile_run(evaluated: Hierarchy, folder: Path) -> Path:
    """Return a copy of a run, in which whatever a stranger can write into files is markup and more."""
    run = folder / "<script>alert(3)<"
    shutil.copytree(evaluated.specific, run)
    config = json.loads((run / "config.json").read_text())
    config["model"]["family"] = config["versions"]["torch"] = HOSTILE
    config["data"]["name"] = config[HOSTILE] = HOSTILE
    config["training"] |= {HOSTILE: [HOSTILE, {HOSTILE: None}], "steps": HOSTILE}
    (run / "config.json").write_text(json.dumps(config))
    table = newest_results(run)
    rows = json.loads(table.read_text())
    for row in rows:
        row["out_of_distribution"] = row["bound"] = row["general_model"] = HOSTILE
    rows.append({**rows[-1], "method": HOSTILE})
    table.write_text(json.dumps(rows))
    for part in (run, run / "general"):
        for path in (part / "statistics").glob("*outside*"):
            found = Statistics.load(path)
            meta = replace(found.meta, dataset=HOSTILE, versions={HOSTILE: HOSTILE})
            Statistics(found.values, found.index, meta).save(path)
    with (run / "metrics.jsonl").open("a") as file:
        file.write(json.dumps({"step": 4, f"bits_per_dim/{HOSTILE}": 3.0, f"auroc/{HOSTILE}": 0.5}) + "\n")
    (run / "samples<img src=x onerror=alert(4)>.png").write_text(HOSTILE)
    return run
