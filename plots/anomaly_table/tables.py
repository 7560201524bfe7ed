"""AUROC of methods on all pairs of sets, and their mean and quartiles over the pairs; LaTeX, Markdown, CSV.

Table of the second paper (Dauncey et al., 2024): a row for each model, trained on the set at its left, and a
column for each set to tell from that one.
"""

from __future__ import annotations

from collections.abc import Sequence

from plots.anomaly_table.pairs import SUMMARIES, Pair, caption_of, pairs_of, summary_of
from plots.command import run_command
from plots.paper_command import paper_parser, request_of
from plots.scoring import ScoredSets, scored_sets
from plots.written_table import Cell, WrittenTable, save_written_table

__all__ = ["main", "make_tables"]

EXAMPLE = (
    "glow cifar10 svhn --id_datasets cifar10 svhn --datasets cifar10 svhn "
    "--anomaly_detection gradients_L2_norms_gaussian --batch_size 5"
)


def make_tables(scored: Sequence[ScoredSets], *, seed: int = 0) -> tuple[WrittenTable, WrittenTable]:
    """Return the table of all pairs, and that of the mean and quartiles over them, one row per method."""
    pairs = pairs_of(scored, seed=seed)
    caption = caption_of(scored, pairs)
    return _all_pairs(pairs, caption), _summary(pairs, caption)


def _all_pairs(pairs: Sequence[Pair], caption: str) -> WrittenTable:
    sets = list(dict.fromkeys(name for p in pairs for name in (p.in_distribution, p.out_of_distribution)))
    rows = {(p.method, p.model, p.in_distribution): dict.fromkeys(sets, "") for p in pairs}
    for p in pairs:
        rows[p.method, p.model, p.in_distribution][p.out_of_distribution] = f"{p.separation.auroc:.3f}"
    return WrittenTable(
        caption=caption,
        header=["method", "model", "trained on", *sets],
        rows=[[*map(Cell, words), *map(Cell, cells.values())] for words, cells in rows.items()],
        entries=[p.entry() for p in pairs],
        words=3,
    )


def _summary(pairs: Sequence[Pair], caption: str) -> WrittenTable:
    found = {
        method: [p.separation.auroc for p in pairs if p.method == method]
        for method in dict.fromkeys(p.method for p in pairs)
    }
    entries = [{"method": m, "pairs": len(aurocs), **summary_of(aurocs)} for m, aurocs in found.items()]
    return WrittenTable(
        caption=f"Over all pairs: {caption}",
        header=["method", "pairs", *SUMMARIES],
        rows=[
            [
                Cell(str(entry["method"])),
                Cell(str(entry["pairs"])),
                *(Cell(f"{entry[n]:.3f}") for n in SUMMARIES),
            ]
            for entry in entries
        ],
        entries=entries,
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the table of all pairs, and that of mean and quartiles with -summary after its name."""
    parser = paper_parser("plots.anomaly_table", __doc__, EXAMPLE, methods="+")
    request = request_of(parser.parse_args(arguments), "anomaly_table")
    table, summary = make_tables(scored_sets(request), seed=request.seed)
    beside = request.output.with_name(f"{request.output.name}-summary")
    for file in (*save_written_table(table, request.output), *save_written_table(summary, beside)):
        print(file)


if __name__ == "__main__":
    run_command(main)
