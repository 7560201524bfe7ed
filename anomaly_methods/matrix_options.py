"""Which entries of the Fisher information matrix are looked at, and the file that keeps them."""

from __future__ import annotations

import argparse
import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

from anomaly_methods.evaluation_options import add_evaluation, read_evaluation, written_evaluation
from anomaly_methods.stored import evaluation_label

__all__ = ["FISHER_MATRIX", "MatrixOptions", "add_matrix"]

FISHER_MATRIX = "fisher_matrix"
"""Kind of the statistics."""


@dataclass(frozen=True)
class MatrixOptions:
    """Which entries of which gradients, of how many samples of the model.

    Args:
        layers: parameter tensors, by name or pattern; none of them for a random choice.
        n_layers: how many are chosen at random, where no layers are named.
        n_entries: of each tensor, chosen at random; all of a tensor with fewer.
        n_samples: images that the model draws.
        seed: of the samples and of the choice.
        temperature: that samples are drawn at; other than 1, they are not those of the model's density.
        evaluation: settings that log p is evaluated with instead of the run's, NAME=VALUE each.

    Raises:
        ValueError: a number is out of range.
    """

    layers: tuple[str, ...] = ()
    n_layers: int = 6
    n_entries: int = 16
    n_samples: int = 1000
    seed: int = 0
    temperature: float = 1.0
    evaluation: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, least in {"n_layers": 1, "n_entries": 1, "n_samples": 2, "seed": 0}.items():
            if getattr(self, name) < least:
                raise ValueError(f"--{name} must be at least {least}, got {getattr(self, name)}.")
        if not 0 < self.temperature < math.inf:
            raise ValueError(
                f"--temperature must be a number above 0, where samples are not all the same, got "
                f"{self.temperature}."
            )

    @classmethod
    def of(cls, arguments: argparse.Namespace) -> MatrixOptions:
        """Return what the arguments of `add_matrix` ask for."""
        given = {
            item.name: getattr(arguments, item.name) for item in fields(cls) if item.name != "evaluation"
        }
        evaluation = written_evaluation(arguments)
        return cls(**{**given, "layers": tuple(arguments.layers), "evaluation": evaluation})

    @property
    def label(self) -> str:
        """Names all of this in file names."""
        named = hashlib.sha256("\n".join(self.layers).encode()).hexdigest()[:8]
        layers = f"layers-{named}" if self.layers else f"{self.n_layers}layers"
        words = (
            f"samples{self.n_samples}-seed{self.seed}",
            f"temperature{self.temperature:g}" if self.temperature != 1 else "",
            f"{layers}-{self.n_entries}entries",
            evaluation_label(read_evaluation(self.evaluation)),
        )
        return "-".join(filter(None, words))

    def path(self, run: Path) -> Path:
        """Return the statistics file in a run's folder."""
        return run / "statistics" / f"{self.label}-{FISHER_MATRIX}.npz"

    def command(self, family: str, run: str) -> list[str]:
        """Return the words after `python` of the command that computes them."""
        return ["-m", "anomaly_methods.fisher_matrix", family, run, *self._options()]

    def _options(self) -> Iterator[str]:
        for item in fields(self):
            value = getattr(self, item.name)
            if value != item.default:
                yield "--evaluation-setting" if item.name == "evaluation" else f"--{item.name}"
                yield from value if isinstance(value, tuple) else (str(value),)


def add_matrix(parser: argparse.ArgumentParser) -> None:
    """Add the options, with the underscores of the second paper."""
    group = parser.add_argument_group("entries of the Fisher information matrix")
    add, standard = group.add_argument, MatrixOptions()
    add(
        "--layers",
        nargs="+",
        default=[],
        metavar="NAME",
        help="parameter tensors, by name or pattern ('*.conv_mid.weight'); left out: a random choice",
    )
    numbers = {
        "n_layers": "how many are chosen at random",
        "n_entries": "entries of each, at random",
        "n_samples": "images that the model draws",
        "seed": "of the samples and the random choices",
        "temperature": "that samples are drawn at, as by main.py sample",
    }
    for name, words in numbers.items():
        default = getattr(standard, name)
        said = f"{words} (default: %(default)s)"
        add(f"--{name}", type=type(default), default=default, metavar="N", help=said)
    add_evaluation(parser)
