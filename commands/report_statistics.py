"""The statistics that a run holds, and which of them a table was made from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anomaly_methods.evaluation import Scored, score_sets
from anomaly_methods.meta import COMPLEXITY_KINDS, StatisticsMeta
from anomaly_methods.methods.base import AnomalyMethod
from anomaly_methods.methods.sources import Source
from anomaly_methods.metrics import auroc
from anomaly_methods.statistics import Statistics

__all__ = ["Origin", "Saved", "origins", "saved_statistics", "scores_of"]

# Far below what one pair of images more or less in order makes.
_SAME_AUROC = 1e-9


@dataclass(frozen=True)
class Saved:
    """A statistics file and what it is of; the values stay in the file.

    Attributes:
        path: of the file.
        role: "specific" or "general", of the model.
        meta: what the statistics are about.
        rows: how many there are.
        nonfinite: how many values are not finite.
    """

    path: Path
    role: str
    meta: StatisticsMeta
    rows: int
    nonfinite: int

    @property
    def source(self) -> Source:
        """What methods call it."""
        return Source(self.role, self.meta.kind)

    def load(self) -> Statistics:
        """Read the values, too."""
        return Statistics.load(self.path)


@dataclass(frozen=True)
class Origin:
    """Statistics that a table may have been made from.

    Attributes:
        inside: of the in-distribution set, by source.
        outside: the same of each other set.
        seed: of the halves.
    """

    inside: Mapping[Source, Saved]
    outside: Mapping[str, Mapping[Source, Saved]]
    seed: int


def saved_statistics(run: Path, role: str, problems: list[str]) -> list[Saved]:
    """Return what is known of every statistics file of a run; of those that cannot be read, a sentence.

    Args:
        run: its folder.
        role: of its model.
        problems: where the sentences are added.
    """
    found = []
    for path in sorted((run / "statistics").glob("*.npz")):
        try:
            statistics = Statistics.load(path)
        except (ValueError, OSError) as error:
            problems.append(f"{path.name} is left out: {error}")
            continue
        bad = sum(statistics.nonfinite().values())
        found.append(Saved(path, role, statistics.meta, len(statistics), bad))
    return found


def origins(saved: Sequence[Saved], rows: Sequence[Mapping[str, Any]], seed: int) -> Iterator[Origin]:
    """Yield what a table may be made from: statistics of its sets, sizes and groups, computed alike.

    Args:
        saved: all there are.
        rows: of the table.
        seed: of the halves.
    """
    size, inside = rows[0]["group_size"], rows[0]["in_distribution"]
    sizes = {row["out_of_distribution"]: row["n_out"] for row in rows}
    fitting = [item for item in saved if item.meta.group_size == size]
    ways = dict.fromkeys(_way(item.meta) for item in fitting if item.meta.kind not in COMPLEXITY_KINDS)
    for way in ways:
        alike = [item for item in fitting if _is_computed(item.meta, way)]
        outside = {
            name: _of_one_set([item for item in alike if item.meta.dataset == name and item.rows == count])
            for name, count in sizes.items()
        }
        own = [item for item in alike if item.meta.dataset == inside]
        for digest in dict.fromkeys(item.meta.dataset_sha256 for item in own):
            found = _of_one_set([item for item in own if item.meta.dataset_sha256 == digest])
            yield Origin(found, outside, seed)


def scores_of(
    method: AnomalyMethod, rows: Sequence[Mapping[str, Any]], found: Sequence[Origin]
) -> tuple[Origin, list[Scored]] | None:
    """Return the scores that gave these rows of a table, the in-distribution set first, and their origin.

    They are computed from the saved statistics, and are the right ones where they give every AUROC of the
    rows exactly; None where none do.

    Args:
        method: of the rows.
        rows: one for each out-of-distribution set.
        found: what the table may have been made from.
    """
    for origin in found:
        try:
            scored = _scored(method, rows, origin)
        except (ValueError, KeyError):  # not enough, or not what belongs together: not the origin
            continue
        inside, *outside = scored
        if all(_agree(inside, other, row) for other, row in zip(outside, rows, strict=True)):
            return origin, scored
    return None


def _scored(method: AnomalyMethod, rows: Sequence[Mapping[str, Any]], origin: Origin) -> list[Scored]:
    wanted = list(method.sources.values())
    in_test = {source: origin.inside[source] for source in wanted}
    count = next(iter(in_test.values())).rows
    if rows[0]["n_in"] != (count - count // 2 if method.fits else count):
        raise ValueError("The table is of another number of images.")
    outside = [origin.outside[row["out_of_distribution"]] for row in rows]
    return score_sets(
        method,
        {source: item.load() for source, item in in_test.items()},
        [{source: found[source].load() for source in wanted} for found in outside],
        nonfinite="anomalous",
        seed=origin.seed,
    )


def _agree(inside: Scored, outside: Scored, row: Mapping[str, Any]) -> bool:
    found = auroc(inside.scores, outside.scores, nonfinite="anomalous")
    return bool(abs(found - row["auroc"]) < _SAME_AUROC)


def _way(meta: StatisticsMeta) -> tuple[str, int, int]:
    return meta.split, meta.noise_draws, meta.seed


def _is_computed(meta: StatisticsMeta, way: tuple[str, int, int]) -> bool:
    return meta.split == way[0] if meta.kind in COMPLEXITY_KINDS else _way(meta) == way


def _of_one_set(items: Sequence[Saved]) -> dict[Source, Saved]:
    """Return the statistics of the pixels that the first of them is of, by source."""
    if not items:
        return {}
    digest = items[0].meta.dataset_sha256
    return {item.source: item for item in items if item.meta.dataset_sha256 == digest}
