#!/usr/bin/env python
"""Bits per dimension that images gain or lose when RGB is written as HSV (Dauncey et al., 2024).

The colours are the same, and so are the gradients of any model with respect to its parameters, but
likelihoods move by log|det| of the conversion. Prints this shift for each set, in bits per dimension, with
the AUROC that it has by itself. With --run it also prints the AUROC of the run's raw likelihood before and
after, from saved statistics (python main.py statistics). Formula: anomaly_methods/analyses/hsv.py. Example:

  python paper_figure_scripts/rgb_hsv_conversion.py --data cifar10 svhn --run runs/cifar10
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # to run without an installation too

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def main(argv: Sequence[str] | None = None) -> int:
    """Print one row for each set; return 0, or 2 where the input was not right."""
    from invglow.exit_code import exit_code

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--data", nargs="+", required=True, metavar="NAME", help="colour sets, the in-distribution one first")
    add("--split", default="test", choices=("train", "test"), help="which images (default: test)")
    add("--limit", type=int, metavar="N", help="the first N images of each set only")
    add("--seed", type=int, default=0, metavar="N", help="of the noise (default: 0)")
    add("--run", metavar="RUN", help="run whose saved likelihoods to move")
    add("--output", type=Path, metavar="FILE.csv", help="table to write")
    add("--per-image", type=Path, metavar="FILE.csv", help="the shift of every image to write")
    arguments = parser.parse_args(argv)
    return exit_code(lambda: _shifts(arguments))


def _shifts(arguments: argparse.Namespace) -> int:
    from anomaly_methods.analyses.hsv import hsv_bits_per_dim, hsv_shifts
    from anomaly_methods.analyses.rows import to_csv, to_text
    from anomaly_methods.csv_text import csv_of
    from commands.pixels import pixels_of
    from invglow.files import replacing

    shifts = {
        spec: hsv_bits_per_dim(pixels_of(spec, arguments.split, arguments.limit), arguments.seed)
        for spec in arguments.data
    }
    rows = hsv_shifts(shifts)
    print(to_text(rows))
    if arguments.run is not None:
        _likelihoods(arguments, shifts)
    if arguments.output is not None:
        with replacing(arguments.output) as temporary:
            temporary.write_text(to_csv(rows))
    if arguments.per_image is not None:
        entries = [
            {"dataset": spec, "index": place, "bits_per_dim": float(bits)}
            for spec, shift in shifts.items()
            for place, bits in enumerate(shift)
        ]
        with replacing(arguments.per_image) as temporary:
            temporary.write_text(csv_of(entries))
    return 0


def _likelihoods(arguments: argparse.Namespace, shifts: Mapping[str, NDArray[np.float64]]) -> None:
    """Print bits per dimension of a run's model, and the AUROC of raw likelihood, in RGB and in HSV."""
    from anomaly_methods.metrics import auroc
    from anomaly_methods.stored import Selection
    from commands.common import existing_run
    from plots.bounds import likelihood_axis, scored
    from plots.finding import Finder

    finder = Finder(Selection(split=arguments.split, limit=arguments.limit))
    found = {}
    for spec, shift in shifts.items():
        statistics = finder.statistics(existing_run(arguments.run), spec)
        if statistics.meta.bound == "surrogate":
            raise ValueError(
                f"Only likelihoods move with the conversion, and {arguments.run} evaluates a surrogate: name "
                "a run that evaluates a bound or an exact likelihood."
            )
        rgb = scored(statistics)
        found[spec] = (rgb, rgb + shift[statistics.index])
        unit = likelihood_axis(statistics.meta)
        print(f"{spec}: {rgb.mean():.3f} {unit} in RGB, {found[spec][1].mean():.3f} in HSV")
    inside, *others = found
    for spec in others:
        before, after = (auroc(found[inside][place], found[spec][place]) for place in (0, 1))
        print(f"AUROC of raw likelihood, {inside} / {spec}: {before:.3f} in RGB, {after:.3f} in HSV")


if __name__ == "__main__":
    sys.exit(main())
