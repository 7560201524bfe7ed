"""Tables of all methods over several pairs of image sets, and of what their statistics cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from statistics import fmean
from typing import NamedTuple

from benchmarks.report import markdown_table
from benchmarks.score_pairs import Cell, Cost

__all__ = ["costs_table", "methods_table", "remarks"]

_NONE = "-"


class _Column(NamedTuple):
    group_size: int
    pair: str

    @property
    def title(self) -> str:
        return f"{self.pair}, groups of {self.group_size}"


def _column_of(cell: Cell) -> _Column:
    return _Column(cell.group_size, cell.pair)


def _cells_of(column: _Column, methods: Sequence[str], cells: Sequence[Cell]) -> list[Cell | None]:
    by_method = {cell.method: cell for cell in cells if _column_of(cell) == column}
    return [by_method.get(method) for method in methods]


def methods_table(cells: Sequence[Cell]) -> str:
    """Return Markdown: a row per method, a column per pair and group size, AUROC with its 95 % interval.

    The mean over pairs stands at the end of each group size, for methods that have them all. The best of each
    column is bold. Methods without a number anywhere have no row; `remarks` says why.
    """
    columns = list(dict.fromkeys(_column_of(cell) for cell in cells))
    methods = list(dict.fromkeys(cell.method for cell in cells if cell.row is not None))
    header, contents = ["method"], [[f"`{method}`" for method in methods]]
    for group_size in dict.fromkeys(column.group_size for column in columns):
        own = [column for column in columns if column.group_size == group_size]
        found = [_cells_of(column, methods, cells) for column in own]
        header += [column.title for column in own]
        contents += [_bold_best(list(map(_auroc, column)), list(map(_shown, column))) for column in found]
        if len(own) > 1:
            header.append(f"mean, groups of {group_size}")
            contents.append(_means(found))
    return markdown_table(header, list(zip(*contents, strict=True)))


def costs_table(costs: Sequence[Cost]) -> str:
    """Return Markdown: seconds per 1,000 images of each kind of statistics, a column per group size."""
    once = {(c.model, c.kind, c.group_size, c.dataset_sha256): c for c in costs}.values()
    sizes = sorted({cost.group_size for cost in once})
    rows = []
    for model, kind in dict.fromkeys((cost.model, cost.kind) for cost in once):
        of_kind = [cost for cost in once if (cost.model, cost.kind) == (model, kind)]
        rates = [_rate([cost for cost in of_kind if cost.group_size == size]) for size in sizes]
        rows.append([kind, model, *rates])
    header = ["statistics", "model", *(f"s per 1,000 images, groups of {size}" for size in sizes)]
    return markdown_table(header, rows)


def remarks(cells: Sequence[Cell]) -> list[str]:
    """Return in sentences how much the numbers rest on, where methods lose, and what was left out and why."""
    return [*_bases(cells), *_losses(cells), *_left_out(cells)]


def _auroc(cell: Cell | None) -> float | None:
    return cell.row.separation.auroc if cell is not None and cell.row is not None else None


def _shown(cell: Cell | None) -> str:
    if cell is None or cell.row is None:
        return _NONE
    found = cell.row.separation
    return f"{found.auroc:.3f} ({found.auroc_low:.3f} - {found.auroc_high:.3f})"


def _means(columns: Sequence[Sequence[Cell | None]]) -> list[str]:
    means = []
    for cells in zip(*columns, strict=True):
        values = [value for value in map(_auroc, cells) if value is not None]
        means.append(fmean(values) if len(values) == len(cells) else None)
    return _bold_best(means, [_NONE if mean is None else f"{mean:.3f}" for mean in means])


def _bold_best(values: Sequence[float | None], texts: Sequence[str]) -> list[str]:
    best = max((value for value in values if value is not None), default=None)
    return [f"**{t}**" if v is not None and v == best else t for v, t in zip(values, texts, strict=True)]


def _rate(costs: Sequence[Cost]) -> str:
    seconds = [cost.seconds for cost in costs if cost.seconds is not None]
    if not costs or len(seconds) < len(costs):
        return _NONE
    return f"{1000 * sum(seconds) / sum(cost.images for cost in costs):.3g}"


def _bases(cells: Sequence[Cell]) -> Iterator[str]:
    """Yield what each column rests on: the models, and fewer groups for methods that fit."""
    for column in dict.fromkeys(map(_column_of, cells)):
        rows = [cell.row for cell in cells if _column_of(cell) == column and cell.row is not None]
        models = " and ".join(dict.fromkeys(n for row in rows for n in (row.model, row.general_model) if n))
        bounds = "/".join(sorted({row.bound_said for row in rows}))
        sizes = Counter(f"{row.separation.n_in} and {row.separation.n_out}" for row in rows)
        listed = ", ".join(f"{size} ({methods} methods)" for size, methods in sizes.items())
        yield (
            f"{column.title}: models {models}, log p {bounds}; "
            f"groups tested, in- and out-of-distribution: {listed}."
        )


def _losses(cells: Sequence[Cell]) -> Iterator[str]:
    lost = [cell for cell in cells if cell.row is not None and cell.row.separation.auroc_high < 0.5]
    for method in dict.fromkeys(cell.method for cell in lost):
        yield f"Worse than chance: {method} on {_titles(cell for cell in lost if cell.method == method)}."


def _left_out(cells: Sequence[Cell]) -> Iterator[str]:
    missing = [cell for cell in cells if cell.row is None]
    for method, reason in dict.fromkeys((cell.method, cell.reason) for cell in missing):
        where = _titles(cell for cell in missing if (cell.method, cell.reason) == (method, reason))
        yield f"Left out: {method} on {where}. {reason}"


def _titles(cells: Iterable[Cell]) -> str:
    return "; ".join(_column_of(cell).title for cell in cells)
