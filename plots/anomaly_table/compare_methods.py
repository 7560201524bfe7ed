"""Two methods side by side on all pairs of sets, the better of the two in bold; LaTeX, Markdown, CSV."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from plots.anomaly_table.pairs import SUMMARIES, Pair, caption_of, pairs_of, summary_of
from plots.command import run_command
from plots.paper_command import paper_parser, request_of
from plots.scoring import ScoredSets, scored_sets
from plots.written_table import Cell, WrittenTable, save_written_table

__all__ = ["main", "make_table"]

EXAMPLE = (
    "glow cifar10 svhn --id_datasets cifar10 svhn --datasets cifar10 svhn "
    "--anomaly_detection gradients_L2_norms_gaussian typicality --batch_size 5"
)

_DIGITS = 3


def make_table(scored: Sequence[ScoredSets], *, seed: int = 0) -> WrittenTable:
    """Return a row per pair and below them the mean and the quartiles over pairs.

    Numbers that are the same as far as they are printed are both in bold.

    Raises:
        ValueError: there are not just two methods.
    """
    pairs = pairs_of(scored, seed=seed)
    methods = list(dict.fromkeys(pair.method for pair in pairs))
    if len(methods) != 2:
        raise ValueError(f"Two different methods are compared, got {len(methods)}: {', '.join(methods)}.")
    by_pair: dict[tuple[str, str, str], dict[str, Pair]] = {}
    for pair in pairs:
        key = (pair.model, pair.in_distribution, pair.out_of_distribution)
        by_pair.setdefault(key, {})[pair.method] = pair
    rows = [
        [*map(Cell, words), *_better([found[method].separation.auroc for method in methods])]
        for words, found in by_pair.items()
    ]
    summaries = [summary_of([p.separation.auroc for p in pairs if p.method == m]) for m in methods]
    return WrittenTable(
        caption=caption_of(scored, pairs),
        header=["model", "trained on", "against", *methods],
        rows=[*rows, *_over_pairs(summaries, len(rows))],
        entries=[pair.entry() for pair in pairs],
        words=3,
    )


def _over_pairs(summaries: Sequence[Mapping[str, float]], count: int) -> list[list[Cell]]:
    pairs = f"{count} pair{'s' if count > 1 else ''}"
    return [
        [
            Cell(f"{name} over {pairs}"),
            Cell(""),
            Cell(""),
            *_better([found[name] for found in summaries]),
        ]
        for name in SUMMARIES
    ]


def _better(values: Sequence[float]) -> list[Cell]:
    texts = [f"{value:.{_DIGITS}f}" for value in values]
    best = max(texts)  # of one length, so the order of texts is that of numbers
    return [Cell(text, bold=text == best) for text in texts]


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the table of two methods."""
    parser = paper_parser("plots.anomaly_table.compare_methods", __doc__, EXAMPLE, methods=2)
    request = request_of(parser.parse_args(arguments), "compare_methods")
    for file in save_written_table(make_table(scored_sets(request), seed=request.seed), request.output):
        print(file)


if __name__ == "__main__":
    run_command(main)
