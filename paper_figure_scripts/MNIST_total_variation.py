#!/usr/bin/env python
"""How small a part of all images those are that are as smooth as digits (Dauncey et al., 2024, appendix).

Prints an upper bound, in log10, on the share of [0, 1]^D taken up by images whose total variation is at most
that of a share of a set's images. Bound and proof: anomaly_methods/analyses/total_variation.py. Example:

  python paper_figure_scripts/MNIST_total_variation.py --data mnist --image-size 28
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # to run without an installation too


def main(argv: Sequence[str] | None = None) -> int:
    """Print one row for each set and share; return 0, or 2 where the input was not right."""
    from invglow.exit_code import exit_code

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--data", nargs="+", default=["demo-mnist"], metavar="NAME", help="sets (default: demo-mnist)")
    add("--split", default="test", choices=("train", "test"), help="which images (default: test)")
    add("--limit", type=int, metavar="N", help="the first N images of each set only")
    add("--image-size", type=int, default=28, metavar="N", help="middle of images to look at (default: 28)")
    add("--share", type=float, nargs="+", default=[0.5, 0.95, 1.0], metavar="Q", help="of a set's images")
    add("--seed", type=int, default=0, metavar="N", help="of the noise (default: 0)")
    add("--output", type=Path, metavar="FILE.csv", help="table to write")
    arguments = parser.parse_args(argv)
    return exit_code(lambda: _bounds(arguments))


def _bounds(arguments: argparse.Namespace) -> int:
    from anomaly_methods.analyses.rows import to_csv, to_text
    from anomaly_methods.analyses.total_variation import volume_bounds
    from commands.pixels import middle, pixels_of
    from invglow.files import replacing

    rows = []
    for spec in arguments.data:
        pixels = middle(pixels_of(spec, arguments.split, arguments.limit), arguments.image_size)
        rows += volume_bounds(pixels, spec, tuple(arguments.share), arguments.seed)
        _, H, W, C = pixels.shape
        noise = C * (H * (W - 1) + (H - 1) * W) / 3
        print(f"{spec}: {len(pixels)} images of {C} x {H} x {W}; uniform noise varies by {noise:.0f}.")
    print(to_text(rows))
    if arguments.output is not None:
        with replacing(arguments.output) as temporary:
            temporary.write_text(to_csv(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
