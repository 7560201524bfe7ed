"""Names of files that say what they are of."""

from __future__ import annotations

import argparse

from anomaly_methods.evaluation_options import written_evaluation
from anomaly_methods.fisher_options import FisherOptions
from anomaly_methods.stored import checksum, slug

__all__ = ["evaluation_name"]

# File systems take 255 bytes; what is longer than this ends in a checksum instead.
LONGEST = 150


def evaluation_name(arguments: argparse.Namespace) -> str:
    """Return a file name, without a suffix, for an evaluation: its sets and all options that change a number.

    Two evaluations with different arguments have different names, so that neither overwrites the other.

    Args:
        arguments: of `main.py evaluate`.
    """
    options = [
        arguments.split if arguments.split != "test" else "",
        f"first{arguments.limit}" if arguments.limit else "",
        "grey" if arguments.grey else "",
        f"noise{arguments.noise_draws}" if arguments.noise_draws else "",
        f"seed{arguments.seed}" if arguments.seed else "",
        f"groups{arguments.group_size}" if arguments.group_size != 1 else "",
        FisherOptions.of(arguments).named,
        "-".join(sorted(written_evaluation(arguments))).replace("=", "_"),
        "+".join(arguments.method or ()),
        f"against-{slug(arguments.general)}" if arguments.general else "",
        f"ensemble-{'-'.join(map(slug, arguments.ensemble))}" if arguments.ensemble else "",
    ]
    sets = map(slug, (arguments.in_distribution, *arguments.out_of_distribution))
    name = "-".join(["evaluation", *sets, *filter(None, options)])
    return name if len(name) <= LONGEST else f"{name[:LONGEST]}-{checksum(name)}"
