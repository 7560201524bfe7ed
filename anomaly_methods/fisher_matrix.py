"""Compute and keep what the Fisher information matrix of a model's parameters is made of.

F_ab = E[d log p/d theta_a * d log p/d theta_b] over images that the model draws itself, for some entries of
some parameter tensors. MODEL is a run of this library: its folder, or its name in the runs folder. The file
holds the gradient entries of every sample, so that F and its error follow; plots.FIM_approximation draws it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from anomaly_methods.matrix_options import add_matrix
from commands.common import add_device
from commands.fisher_matrix import keep_fisher_matrix
from commands.paper_arguments import add_images_at_once, models_parser
from invglow.exit_code import exit_code

__all__ = ["main"]

EXAMPLE = """\
Example, which needs runs/cifar10 (python main.py train --data cifar10 --run runs/cifar10):
  python -m anomaly_methods.fisher_matrix glow cifar10 --n_samples 1000
  python -m anomaly_methods.fisher_matrix glow cifar10 --layers '*.conv_mid.weight' --n_entries 4"""


def main(argv: Sequence[str] | None = None) -> int:
    """Compute what is missing; return 0, or 2 where the input was not right (said in one sentence)."""
    arguments = _parser().parse_args(argv)
    return exit_code(lambda: keep_fisher_matrix(arguments))


def _parser() -> argparse.ArgumentParser:
    parser = models_parser("anomaly_methods.fisher_matrix", __doc__, EXAMPLE)
    add_matrix(parser)
    add_images_at_once(parser)
    parser.add_argument("--recompute", action="store_true", help="compute again what is there")
    add_device(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
