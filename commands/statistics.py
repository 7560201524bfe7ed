"""`main.py statistics`: compute and keep statistics of image sets under a run's model."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from commands.common import add_command, add_device, add_download, add_run, existing_run
from commands.computing import KINDS, RunModel, add_computation, computation_of

if TYPE_CHECKING:
    from anomaly_methods.statistics import Statistics

__all__ = ["add_parser"]

EXAMPLE = """\
  python main.py statistics --run runs/cifar10 --data cifar10 svhn folder:holiday-pictures"""


def add_parser(subparsers: Any) -> None:
    """Add the subcommand."""
    parser = add_command(
        subparsers,
        "statistics",
        "Compute likelihoods or gradient norms of image sets into files that everything else reads.",
        EXAMPLE,
        run,
    )
    add_run(parser, "run whose model to use", required=True)
    parser.add_argument("--data", required=True, nargs="+", metavar="NAME", help="image sets")
    parser.add_argument(
        "--statistics",
        nargs="+",
        choices=KINDS,
        default=["likelihood"],
        help="likelihood: in total and per scale; gradients: squared norms, one per parameter tensor",
    )
    add_computation(parser)
    add_device(parser)
    add_download(parser)


def run(arguments: argparse.Namespace) -> int:
    """Compute what is missing and say where it is."""
    computation = computation_of(arguments)
    model = RunModel(existing_run(arguments.run), computation.device)
    for spec in arguments.data:
        for kind in arguments.statistics:
            statistics = computation.statistics(model, spec, kind)
            print(f"{spec}: {_summary(statistics)}, {computation.path(model, spec, kind)}")
            _tell_rest(statistics)
    print(f"Next: python main.py evaluate --run {model.folder} --help")
    return 0


def _summary(statistics: Statistics) -> str:
    import numpy as np

    from invglow.data.preprocessing import bits_per_dim

    meta = statistics.meta
    alone = meta.group_size == 1
    rows = f"{len(statistics)} images" if alone else f"{len(statistics)} groups of {meta.group_size} images"
    if meta.kind != "likelihood":
        return f"{rows}, {len(statistics.values)} tensors"
    dimensions = meta.group_size * int(np.prod(meta.image_shape))
    return f"{rows}, {np.mean(bits_per_dim(statistics.value('log_prob'), dimensions)):.3f} bits/dim"


def _tell_rest(statistics: Statistics) -> None:
    """Say what was left out and what is not finite."""
    if statistics.meta.dropped:
        print(f"  left out: the last {statistics.meta.dropped} images, which make no whole group")
    bad = {name: count for name, count in statistics.nonfinite().items() if count}
    if bad:
        print("  not finite: " + ", ".join(f"{name} {count}" for name, count in bad.items()))
