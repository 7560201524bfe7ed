"""Do calibrated methods flag as many normal images as was asked for? See `--help`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from statistics import fmean
from typing import NamedTuple

from anomaly_methods.calibration import least_calibration
from anomaly_methods.methods.registry import usable_methods
from anomaly_methods.methods.sources import SourceStatistics
from benchmarks.rate_intervals import Interval, Realised, realised_rates
from benchmarks.report import markdown_table
from commands.choosing import general_model, known_methods, models_by_role, needed_sources
from commands.common import HelpFormatter, add_device, add_download, add_run
from commands.computing import add_computation, computation_of
from invglow.allocator import keep_freed_memory
from invglow.exit_code import exit_code

__all__ = ["main"]

SUMMARY = """\
Measure realised false-positive rates of calibrated methods on real in-distribution images: a random third
fits the methods, another calibrates them, the last is tested. No anomaly takes part.

The mean share over several splits stands beside two 99 % intervals for the share of one. The binomial one
takes the threshold as given. The beta-binomial one counts in that the calibration images are a sample as
well; it is where shares lie when all is right.
Statistics are kept in the run's folder."""
EXAMPLE = """\
Example:
  python -m benchmarks.false_positive_rates --run runs/cifar10 --in-distribution cifar10
  python -m benchmarks.false_positive_rates --run runs/cifar10 --in-distribution cifar10 --limit 3000 \\
      --method gradients_L2_norms_gaussian combined --group-size 5"""


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print the table; return 0, or 2 where the input is wrong."""
    options = _parser().parse_args(argv)
    keep_freed_memory()
    return exit_code(lambda: _run(options))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.false_positive_rates",
        description=SUMMARY,
        epilog=EXAMPLE,
        formatter_class=HelpFormatter,
    )
    add = parser.add_argument
    add_run(parser, "run of the specific model", required=True)
    add("--general", metavar="RUN", help="run of the general model (default: as for main.py evaluate)")
    add("--in-distribution", required=True, metavar="NAME", help="images that no model was trained on")
    add("--method", nargs="+", metavar="M", help="methods (default: all on likelihoods)")
    add("--rates", type=float, nargs="+", default=[0.01, 0.05, 0.1], metavar="X", help="rates to ask for")
    add("--splits", type=int, default=10, metavar="N", help="random splits, of seeds from --seed on")
    add("--test-share", type=float, default=1 / 3, metavar="X", help="share of the images to test on")
    add_computation(parser)
    add_device(parser)
    add_download(parser)
    return parser


def _run(options: argparse.Namespace) -> int:
    _check(options)
    computation = computation_of(options)
    chosen = known_methods(options.method)
    specific = computation.run(options.run)
    models = models_by_role(specific, general_model(specific, options.general))
    images: SourceStatistics = {
        source: computation.statistics(models[source.role], options.in_distribution, source.kind)
        for source in needed_sources(chosen, models)
    }
    methods = chosen or usable_methods(images)
    splits = [
        list(realised_rates(methods, images, options.rates, seed=seed, test_share=options.test_share))
        for seed in range(computation.seed, computation.seed + options.splits)
    ]
    rows = list(zip(*splits, strict=True))
    print(_table(rows))
    print(f"\n{_summary(rows)}")
    return 0


def _check(options: argparse.Namespace) -> None:
    for rate in options.rates:
        least_calibration(rate)  # refuses what is no rate
    if options.splits < 1 or not 0 < options.test_share < 1:
        raise ValueError(
            "--splits must be at least 1 and --test-share between 0 and 1, "
            f"got {options.splits} and {options.test_share:g}."
        )


def _table(rows: Sequence[Sequence[Realised]]) -> str:
    header = ["method", "wanted", "realised", "binomial 99 %", "inside", "beta-binomial 99 %", "inside"]
    return markdown_table(header, [_row(splits) for splits in rows])


def _row(splits: Sequence[Realised]) -> list[str]:
    """Return the cells of one method at one rate: the mean share over splits, and how many lie inside."""
    first = splits[0]
    inside = _inside(splits)
    counts = (f"{inside.binomial} of {len(splits)}", f"{inside.with_calibration} of {len(splits)}")
    intervals = (f"{low:.4f} - {high:.4f}" for low, high in (first.binomial, first.with_calibration))
    cells = (cell for pair in zip(intervals, counts, strict=True) for cell in pair)
    return [f"`{first.method}`", f"{first.rate:g}", f"{fmean(one.share for one in splits):.4f}", *cells]


class _Inside(NamedTuple):
    """How many splits lie in which interval."""

    binomial: int
    with_calibration: int


def _inside(splits: Sequence[Realised]) -> _Inside:
    def count(intervals: Iterable[Interval]) -> int:
        return sum(low <= one.share <= high for one, (low, high) in zip(splits, intervals, strict=True))

    return _Inside(count(one.binomial for one in splits), count(one.with_calibration for one in splits))


def _summary(rows: Sequence[Sequence[Realised]]) -> str:
    every = [one for splits in rows for one in splits]
    inside = _inside(every)
    first, total = every[0], len(every)
    expected = sum(splits[0].expected_outside * len(splits) for splits in rows)
    return (
        f"{first.tested} tested, {first.calibrated} to calibrate, {len(rows[0])} random splits. Of {total} "
        f"shares {total - inside.binomial} lie outside the binomial interval, {expected:.1f} expected if all "
        f"is right; {total - inside.with_calibration} outside the beta-binomial one, at most "
        f"{total / 100:.1f} expected. Shares of one split depend on each other."
    )


if __name__ == "__main__":
    sys.exit(main())
