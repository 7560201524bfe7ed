"""`main.py statistics`: compute and keep statistics of image sets under a run's model."""

from __future__ import annotations

import argparse
from typing import Any

from commands.common import add_command, add_device, add_download, existing_run
from commands.computing import RunModel, add_computation, computation_of

__all__ = ["add_parser"]

EXAMPLE = """\
  python main.py statistics --run runs/cifar10 --data cifar10 svhn folder:holiday-pictures"""


def add_parser(subparsers: Any) -> None:
    """Add the subcommand."""
    parser = add_command(
        subparsers,
        "statistics",
        "Compute likelihoods of image sets, in total and per scale, into files that everything else reads.",
        EXAMPLE,
        run,
    )
    parser.add_argument("--run", required=True, metavar="DIR", help="run whose model to use")
    parser.add_argument("--data", required=True, nargs="+", metavar="NAME", help="image sets")
    add_computation(parser)
    add_device(parser)
    add_download(parser)


def run(arguments: argparse.Namespace) -> int:
    """Compute what is missing and say where it is."""
    import numpy as np

    from invglow.data.preprocessing import bits_per_dim

    computation = computation_of(arguments)
    model = RunModel(existing_run(arguments.run), computation.device)
    for spec in arguments.data:
        statistics = computation.likelihoods(model, spec)
        values = statistics.value("log_prob")
        bits = np.mean(bits_per_dim(values, int(np.prod(statistics.meta.image_shape))))
        path = computation.path(model, spec, "likelihood")
        print(f"{spec}: {len(values)} images, {bits:.3f} bits/dim, {path}")
        _tell_nonfinite(statistics.nonfinite())
    print(f"Next: python main.py evaluate --run {model.folder} --help")
    return 0


def _tell_nonfinite(counts: dict[str, int]) -> None:
    bad = {name: count for name, count in counts.items() if count}
    if bad:
        print("  not finite: " + ", ".join(f"{name} {count}" for name, count in bad.items()))
