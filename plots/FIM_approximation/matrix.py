"""The Fisher information matrix of chosen entries, from the gradients of a model's own samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from anomaly_methods.matrix_options import FISHER_MATRIX
from anomaly_methods.statistics import Statistics

__all__ = ["PROVENANCE", "FisherMatrix", "fisher_matrix", "tensor_labels"]

PROVENANCE = ("model", "bound", "evaluation", "temperature", "samples")
"""Columns of every table that is written beside a figure: whose matrix, and from which samples."""

Numbers = NDArray[np.float64]

_DOMINANT = 0.5  # a part of the diagonal that no single sample should make


@dataclass(frozen=True, eq=False)
class FisherMatrix:
    """F_ab = E[g_a g_b] over n samples x, g_a = d log p(x) / d theta_a, of A entries of several tensors.

    Attributes:
        gradients: (n, A), nats per unit of each parameter.
        names: of the entries, (A,): `tensor[place]`.
        tensors: the tensor of each entry, (A,), those of one tensor side by side.
        model: name of the model.
        bound: what stands for log p: "exact", "elbo" or "surrogate".
        evaluation: how that is evaluated, for people.
        temperature: that the samples are drawn at.
        nonfinite: samples left out, since a gradient is NaN or infinite.
        silent: entries left out, since their gradient is zero for every sample.
    """

    gradients: Numbers
    names: Sequence[str]
    tensors: Sequence[str]
    model: str
    bound: str = "exact"
    evaluation: str = ""
    temperature: float = 1.0
    nonfinite: int = 0
    silent: int = 0

    @cached_property
    def raw(self) -> Numbers:
        """F itself, (A, A)."""
        return _mean_products(self.gradients)

    @cached_property
    def normalised(self) -> Numbers:
        """F_ab / sqrt(F_aa F_bb), (A, A), from -1 to 1 and 1 on the diagonal."""
        return _normalised(self.raw)

    @cached_property
    def shuffled(self) -> Numbers:
        """The same if no two entries had to do with each other: each entry's samples in an order of its own.

        How far from zero this is outside the diagonal says what chance alone does with n samples.
        """
        rng = np.random.default_rng(0)
        return _normalised(_mean_products(rng.permuted(self.gradients, axis=0)))

    @cached_property
    def scaled(self) -> Numbers:
        """F_ab / sqrt(m_a m_b), m_a the mean diagonal entry of a's tensor.

        The identity, if F were what the second paper approximates it by: constant on the diagonal of each
        tensor and zero elsewhere.
        """
        means = np.array([np.diag(self.raw)[self.places(tensor)].mean() for tensor in self.tensors])
        return self.raw / np.sqrt(np.outer(means, means))

    @property
    def largest_share(self) -> float:
        """What part of F_aa the one sample makes that has most of it, the median over entries.

        Near 1, F tells of that sample: where it is the same one for a and b, their normalised entry is +-1.
        """
        squares = self.gradients**2
        return float(np.median(squares.max(axis=0) / squares.sum(axis=0)))

    @property
    def provenance(self) -> tuple[object, ...]:
        """The values of the columns `PROVENANCE`."""
        return self.model, self.bound, self.evaluation, self.temperature, len(self.gradients)

    @property
    def tensor_names(self) -> list[str]:
        """The tensors, each once."""
        return list(dict.fromkeys(self.tensors))

    def places(self, tensor: str) -> NDArray[np.int64]:
        """Return which entries are of a tensor."""
        return np.flatnonzero(np.array(self.tensors) == tensor)

    def pairs(self) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Return masks (A, A) of different entries, each pair once: within one tensor, and between two."""
        above = np.triu(np.ones((len(self.names), len(self.names)), dtype=np.bool_), 1)
        same = np.array(self.tensors)[:, None] == np.array(self.tensors)
        return above & same, above & ~same

    def summary(self) -> str:
        """Return what the figures are of, and what stands in the way, in two to four lines."""
        part = f"one sample makes {100 * self.largest_share:.0f} % of the median diagonal entry"
        wild = part if self.largest_share > _DOMINANT else ""
        left_out = [
            f"{self.nonfinite} samples left out (not finite)" if self.nonfinite else "",
            f"{self.silent} entries left out (gradient always 0)" if self.silent else "",
        ]
        drawn = "" if self.temperature == 1 else f" at temperature {self.temperature:g}"
        counts = f"{len(self.gradients):,} samples of the model{drawn}, {len(self.tensor_names)} tensors"
        how = ", ".join(filter(None, (self.bound, self.evaluation)))
        bound = "" if self.bound == "exact" else f" (log p: {how})"
        model = f"model: {self.model}{bound}, group size 1"
        lines = (model, f"{counts}, {len(self.names)} entries", ", ".join(filter(None, left_out)), wild)
        return "\n".join(filter(None, lines))


def fisher_matrix(statistics: Statistics) -> FisherMatrix:
    """Return the matrix of statistics that `python -m anomaly_methods.fisher_matrix` keeps.

    Raises:
        ValueError: they are of another kind, or fewer than two samples or two entries can be used.
    """
    meta = statistics.meta
    if meta.kind != FISHER_MATRIX:
        raise ValueError(
            f"A Fisher information matrix takes statistics of the kind {FISHER_MATRIX}, got {meta.kind} of "
            f"{meta.model!r}: make them with python -m anomaly_methods.fisher_matrix."
        )
    rows = statistics.finite_rows()
    gradients = np.stack([values[rows] for values in statistics.values.values()], axis=1)
    heard = (gradients != 0).any(axis=0)
    names = [name for name, one in zip(statistics.values, heard, strict=True) if one]
    if np.count_nonzero(rows) < 2 or len(names) < 2:
        raise ValueError(
            f"A Fisher information matrix needs at least 2 samples and 2 entries with finite gradients that "
            f"are not all zero; of {meta.model!r} there are {np.count_nonzero(rows)} and {len(names)}."
        )
    return FisherMatrix(
        gradients[:, heard],
        names,
        [name.rpartition("[")[0] for name in names],
        meta.model,
        meta.bound,
        meta.evaluation,
        float(meta.settings.get("temperature", 1)),
        int(np.count_nonzero(~rows)),
        int(np.count_nonzero(~heard)),
    )


def tensor_labels(found: FisherMatrix) -> list[str]:
    """Return a number and a short name for each tensor, without the words that all of them start with."""
    words = [name.split(".") for name in found.tensor_names]
    shared = 0
    while all(len(one) > shared + 1 and one[shared] == words[0][shared] for one in words):
        shared += 1
    names = (".".join(one[shared:]).replace("coupling.network.", "") for one in words)
    space = 2 * "\N{NO-BREAK SPACE}"
    return [f"{number}{space}{name}" for number, name in enumerate(names, start=1)]


def _mean_products(gradients: Numbers) -> Numbers:
    products: Numbers = gradients.T @ gradients / len(gradients)
    return products


def _normalised(matrix: Numbers) -> Numbers:
    scale = np.sqrt(np.diag(matrix))
    normalised: Numbers = matrix / np.outer(scale, scale)
    return normalised
