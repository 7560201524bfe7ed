"""Compute and keep statistics of image sets, by the command line of the second paper (Dauncey et al., 2024).

MODEL is a run of this library: its folder, or its name in the runs folder. What is kept is what
`main.py statistics` keeps and `main.py evaluate` reads, so that nothing is computed twice.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from commands.caching import cache
from commands.common import add_device, add_download
from commands.computing import add_selection
from commands.paper_arguments import add_images_at_once, models_parser
from invglow.exit_code import exit_code

__all__ = ["main"]

EXAMPLE = """\
Example, which needs runs/cifar10 (python main.py train --data cifar10 --run runs/cifar10):
  python -m anomaly_methods.cache_statistics glow cifar10 --datasets cifar10 svhn \\
      --anomaly_detection gradients_L2_norms --batch_size 5
  python main.py evaluate --run cifar10 --in-distribution cifar10 --out-of-distribution svhn \\
      --method gradients_L2_norms_gaussian --group-size 5"""


def main(argv: Sequence[str] | None = None) -> int:
    """Compute what is missing; return 0, or 2 where the input was not right (said in one sentence)."""
    arguments = _parser().parse_args(argv)
    return exit_code(lambda: cache(arguments))


def _parser() -> argparse.ArgumentParser:
    parser = models_parser("anomaly_methods.cache_statistics", __doc__, EXAMPLE)
    add = parser.add_argument
    add("--datasets", nargs="+", required=True, metavar="NAME", help="image sets")
    add(
        "--anomaly_detection",
        nargs="+",
        default=["gradients_L2_norms"],
        metavar="NAME",
        help="what to prepare for: gradients_L2_norms, likelihoods, typicality, or any method of main.py "
        "evaluate; those on the same statistics share them",
    )
    add(
        "--batch_size",
        dest="group_size",
        type=int,
        default=1,
        metavar="B",
        help="the paper's batch, a GROUP SIZE: images that are judged together, --group-size of main.py; "
        "how many are computed at a time is --images_at_once",
    )
    add_images_at_once(parser)
    add(
        "--model_mode",
        choices=("eval", "train"),
        default="eval",
        help="train: require that log p(x) is the same function in training mode, and refuse batch "
        "statistics and dropout, under which no image has a gradient of its own",
    )
    add_selection(parser)
    add_device(parser)
    add_download(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
