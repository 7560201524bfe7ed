"""Do calibrated methods flag as many normal images as was asked for? See `--help`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from anomaly_methods.calibration import least_calibration
from anomaly_methods.methods.registry import usable_methods
from anomaly_methods.methods.sources import SourceStatistics
from benchmarks.rate_intervals import Interval, Realised, realised_rates
from benchmarks.report import markdown_table
from commands.choosing import general_model, known_methods, models_by_role, needed_sources
from commands.common import HelpFormatter, add_device, add_download, add_run, existing_run
from commands.computing import RunModel, add_computation, computation_of
from commands.exit_code import exit_code
from invglow.allocator import keep_freed_memory

__all__ = ["main"]

SUMMARY = """\
Measure realised false-positive rates of calibrated methods on real in-distribution images: a random third
fits the methods, another calibrates them, the last is tested. No anomaly takes part.

Each share stands beside two 99 % intervals. The binomial one takes the threshold as given. The beta-binomial
one counts in that the calibration images are a sample as well; it is where shares lie when all is right.
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
    add_computation(parser)
    add_device(parser)
    add_download(parser)
    return parser


def _run(options: argparse.Namespace) -> int:
    for rate in options.rates:
        least_calibration(rate)  # refuses what is no rate
    computation = computation_of(options)
    chosen = known_methods(options.method)
    specific = RunModel(existing_run(options.run), computation.device)
    models = models_by_role(specific, general_model(specific, options.general))
    images: SourceStatistics = {
        source: computation.statistics(models[source.role], options.in_distribution, source.kind)
        for source in needed_sources(chosen, models)
    }
    found = list(realised_rates(chosen or usable_methods(images), images, options.rates, computation.seed))
    print(_table(found))
    print(f"\n{_summary(found)}")
    return 0


def _table(found: Sequence[Realised]) -> str:
    header = ["method", "wanted", "realised", "binomial 99 %", "inside", "beta-binomial 99 %", "inside"]
    return markdown_table(header, [_row(one) for one in found])


def _row(one: Realised) -> list[str]:
    intervals = (
        text
        for interval in (one.binomial, one.with_calibration)
        for text in (f"{interval[0]:.4f} - {interval[1]:.4f}", "yes" if _holds(interval, one) else "NO")
    )
    return [f"`{one.method}`", f"{one.rate:g}", f"{one.share:.4f}", *intervals]


def _holds(interval: Interval, one: Realised) -> bool:
    return interval[0] <= one.share <= interval[1]


def _summary(found: Sequence[Realised]) -> str:
    first, rows = found[0], len(found)
    outside = sum(not _holds(one.binomial, one) for one in found)
    expected = sum(one.expected_outside for one in found)
    beyond = sum(not _holds(one.with_calibration, one) for one in found)
    return (
        f"{first.tested} tested, {first.calibrated} to calibrate. Outside the binomial interval: {outside} "
        f"of {rows} rows, {expected:.1f} expected if all is right; outside the beta-binomial one: {beyond}, "
        f"at most {rows / 100:.1f} expected."
    )


if __name__ == "__main__":
    sys.exit(main())
