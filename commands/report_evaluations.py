"""Tables of `main.py evaluate` as a report shows them: read, checked, and drawn from the statistics."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anomaly_methods.evaluation import Scored
from anomaly_methods.methods.registry import get_method
from anomaly_methods.methods.sources import GENERAL_LIKELIHOOD, SPECIFIC_LIKELIHOOD, Source
from anomaly_methods.statistics import Statistics
from commands.repeating import evaluate_command, outline, seed_of, shell
from commands.report_statistics import Origin, Saved, origins, scores_of
from plots.likelihood_histograms import Panel, likelihood_panels
from plots.report.content import EvaluationReport, Picture
from plots.report.pictures import histogram

__all__ = ["Evaluated", "read_rows"]

_TEXTS = ("method", "in_distribution", "out_of_distribution", "bound", "model", "general_model")
_NUMBERS = ("auroc", "auroc_low", "auroc_high", "ap_anomaly", "ap_normal", "fpr95")
_COUNTS = ("group_size", "n_in", "n_out", "nonfinite")
# As many out-of-distribution sets as a histogram shows in lines of different kinds, with room for a legend.
_MOST_SETS = 5

_NOT_THESE = "the saved statistics that are here do not give its numbers."

Rows = Sequence[Mapping[str, Any]]


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Read a table that `evaluate` has written as JSON, and check it.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is damaged, empty, or something else.
    """
    if not path.is_file():
        raise FileNotFoundError(f"There is no table {path}: main.py evaluate --json writes one.")
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is truncated or not JSON ({error}): evaluate again.") from error
    if not isinstance(rows, list) or not rows or not all(map(_is_row, rows)):
        raise ValueError(f"{path} is not a table of main.py evaluate: delete it, or evaluate again.")
    if len({(row["in_distribution"], row["group_size"]) for row in rows}) > 1:
        raise ValueError(f"{path} mixes in-distribution sets or group sizes: evaluate them one by one.")
    return rows


def _is_row(row: Any) -> bool:
    return (
        isinstance(row, dict)
        and all(isinstance(row.get(name), str) for name in _TEXTS)
        and all(isinstance(row.get(name), float | int) for name in _NUMBERS)
        and all(type(row.get(name)) is int and row[name] >= 0 for name in _COUNTS)
        and isinstance(row.get("evaluation", ""), str)
        and row["group_size"] >= 1
    )


@dataclass(frozen=True)
class Evaluated:
    """Makes what a report says of a table.

    Args:
        run: the run as the user names it.
        general: the general model as the user names it, if so.
        saved: statistics of the run and of its general model.
    """

    run: str
    general: str | None
    saved: Sequence[Saved]

    def report(self, path: Path, rows: Rows) -> EvaluationReport:
        """Return the table with its figures, or with sentences about why there are none."""
        metas = [item.meta for item in self.saved]
        words = evaluate_command(self.run, rows, path.stem, metas, self.general)
        found = list(origins(self.saved, rows, seed_of(words)))
        scores, origin, missing = _scores(rows, found)
        notes = [f"No histogram of {name}: {reason}" for name, reason in missing.items()]
        likelihoods: list[Picture] = []
        try:
            likelihoods = _likelihoods(origin) if origin else []
        except ValueError as error:
            notes.append(f"No histograms of likelihoods: {error}")
        if scores:
            notes.insert(0, "Every figure is of saved statistics that give the AUROC of the table.")
        return EvaluationReport(
            path.name,
            rows,
            shell(words) if words else outline(self.run, rows),
            bool(words),
            likelihoods,
            scores,
            notes,
        )


def _scores(rows: Rows, found: Sequence[Origin]) -> tuple[list[Picture], Origin | None, dict[str, str]]:
    """Return histograms of the methods, what they were made from, and why other methods have none."""
    pictures, used, missing = list[Picture](), list[Origin](), dict[str, str]()
    for name in dict.fromkeys(row["method"] for row in rows):
        own = [row for row in rows if row["method"] == name]
        try:
            made = scores_of(get_method(name), own, found)
            if made is None:
                missing[name] = _NOT_THESE
                continue
            pictures += [histogram(panel) for panel in _score_panels(name, own, made[1])]
            used.append(made[0])
        except ValueError as error:
            missing[name] = str(error)
    return pictures, used[0] if used else None, missing


def _score_panels(name: str, rows: Rows, scored: Sequence[Scored]) -> list[Panel]:
    size = rows[0]["group_size"]
    title = name if size == 1 else f"{name}, groups of {size} images"
    inside, *outside = [(f"{item.meta.dataset} {item.meta.split}", item.scores) for item in scored]
    axis = "score" if size == 1 else "score of a group"
    return [Panel(title, axis, inside, dict(part)) for part in _parts(outside)]


def _likelihoods(origin: Origin) -> list[Picture]:
    """Return histograms of the raw likelihood and, where a general model's are there, of the ratio."""
    sets = [origin.inside, *origin.outside.values()]
    if not all(SPECIFIC_LIKELIHOOD in found for found in sets):
        return []
    specific = _loaded(sets, SPECIFIC_LIKELIHOOD)
    has_general = all(GENERAL_LIKELIHOOD in found for found in sets)
    general = _loaded(sets, GENERAL_LIKELIHOOD) if has_general else []
    pictures = []
    for numbers in _parts(range(1, len(sets))):
        chosen = [0, *numbers]
        panels = likelihood_panels([specific[i] for i in chosen], [general[i] for i in chosen if general])
        pictures += [histogram(panel) for panel in panels]
    return pictures


def _loaded(sets: Sequence[Mapping[Source, Saved]], source: Source) -> list[Statistics]:
    return [found[source].load() for found in sets]


def _parts(items: Sequence[Any]) -> list[Sequence[Any]]:
    return [items[start : start + _MOST_SETS] for start in range(0, len(items), _MOST_SETS)]
