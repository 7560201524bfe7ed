"""Entries of per-image gradients, from which blocks of the whole Fisher information matrix follow."""

from __future__ import annotations

import difflib
import fnmatch
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from anomaly_methods.extractors.collecting import Job, collect, stored
from anomaly_methods.extractors.fisher.images import FisherImages, batch_for
from anomaly_methods.extractors.gradient_norms.checks import tensors_to_leave_apart
from anomaly_methods.extractors.gradient_norms.engine import visit_gradients
from anomaly_methods.extractors.gradient_norms.parameters import described_parameters, trainable_parameters
from anomaly_methods.extractors.gradient_norms.per_group import squared_norms
from anomaly_methods.extractors.indexed import indexed
from anomaly_methods.meta import StatisticsMeta
from anomaly_methods.statistics import Statistics
from models.base import GenerativeModel

__all__ = [
    "GradientEntries",
    "choose_entries",
    "choose_tensors",
    "described_entries",
    "entry_name",
    "load_or_collect",
]


def choose_tensors(names: Collection[str], wanted: Sequence[str] | int, seed: int = 0) -> list[str]:
    """Return the tensors to look at, in the order of the model.

    Args:
        names: of all trainable tensors.
        wanted: names, or patterns such as `*.conv_mid.weight`; or how many to choose at random.
        seed: of the random choice.

    Raises:
        ValueError: a name fits none, and the sentence lists close ones; or the number is out of range.
    """
    known = list(names)
    if isinstance(wanted, int):
        if not 1 <= wanted <= len(known):
            raise ValueError(f"1 to {len(known)} tensors of this model can be chosen, got {wanted}.")
        places = np.random.default_rng(seed).choice(len(known), wanted, replace=False)
        return [known[place] for place in sorted(places)]
    found: set[str] = set()
    for pattern in wanted:
        fitting = {pattern} if pattern in known else set(fnmatch.filter(known, pattern))
        if not fitting:
            close = difflib.get_close_matches(pattern, known, n=3, cutoff=0.3) or known[:3]
            raise ValueError(f"The model has no tensor {pattern!r}; close to it are {', '.join(close)}.")
        found |= fitting
    return [name for name in known if name in found]


def choose_entries(
    parameters: Mapping[str, Tensor], tensors: Sequence[str], count: int, seed: int = 0
) -> dict[str, NDArray[np.int64]]:
    """Return {tensor: sorted places in it, flattened}, at random without replacement.

    What is chosen of one tensor depends on its name, its size, the count and the seed alone.

    Args:
        parameters: {name: tensor} of the model.
        tensors: which of them.
        count: entries of each, or all of a tensor with fewer.
        seed: of the choice.

    Raises:
        ValueError: the count is not positive.
    """
    if count < 1:
        raise ValueError(f"At least 1 entry of each tensor must be looked at, got {count}.")
    return {
        name: np.sort(
            np.random.default_rng((seed, zlib.crc32(name.encode()))).choice(
                parameters[name].numel(), min(count, parameters[name].numel()), replace=False
            )
        )
        for name in tensors
    }


def entry_name(tensor: str, place: int) -> str:
    """Return the name of the values of one entry: `conv.weight[17]`, places of the flattened tensor."""
    return f"{tensor}[{place}]"


@dataclass(frozen=True, eq=False)
class GradientEntries:
    """`g_a = d log p(x) / d theta_a` of every image x and every chosen entry a.

    The Fisher information is then `F_ab = E[g_a g_b]`, the mean over images that the model draws itself, for
    all pairs of entries, also of different tensors. Rows are images, so that the error of F can be estimated.

    Args:
        model: in evaluation mode while this is called.
        images: whose gradients.
        entries: {tensor: places in it, flattened}.

    References:
        Approximations to the Fisher Information Metric of Deep Generative Models for Out-Of-Distribution
        Detection (Dauncey et al., 2024), section 3.
    """

    model: GenerativeModel
    images: FisherImages
    entries: Mapping[str, NDArray[np.int64]]

    def __call__(self, places: range) -> dict[str, NDArray[np.float64]]:
        """Return {entry name: (n,)} for the images at n places.

        Raises:
            ValueError: log_prob is not (B,) or mixes images, or the model cannot draw images.
        """
        pieces: dict[str, list[Tensor]] = {name: [] for name in self.entries}

        def note(name: str, gradients: Tensor) -> Tensor:
            chosen = torch.from_numpy(self.entries[name]).to(gradients.device)
            pieces[name].append(gradients.reshape(len(gradients), -1)[:, chosen].double().cpu())
            return squared_norms(gradients)

        with _trainable_alone(self.model, self.entries):
            x = batch_for(self._asked, self.images, places)
            visit_gradients(self._asked, x, note, apart=self._apart)
        columns = {name: torch.cat(found).numpy() for name, found in pieces.items()}
        return {
            entry_name(name, place): columns[name][:, number]
            for name, chosen in self.entries.items()
            for number, place in enumerate(chosen)
        }

    @cached_property
    def _apart(self) -> tuple[str, ...]:
        """The tensors whose gradients the fast rules get wrong, by the first two images."""
        x = batch_for(self._asked, self.images, range(min(2, len(self.images))))
        with _trainable_alone(self.model, self.entries):
            return tensors_to_leave_apart(self._asked, x)

    @cached_property
    def _asked(self) -> GenerativeModel:
        return indexed(self.model)


def load_or_collect(
    extraction: GradientEntries,
    meta: StatisticsMeta,
    path: Path,
    *,
    recompute: bool = False,
    batch_size: int = 128,
    progress: bool = False,
) -> Statistics:
    """Return the statistics at `path` if they are those of `meta`; compute and save them if there are none.

    Args:
        extraction: what is wanted.
        meta: of the result.
        path: of the statistics file.
        recompute: compute anyway, and replace what is there.
        batch_size: images at a time.
        progress: show a bar.

    Raises:
        ValueError: the file is of another model or computation, or damaged; or as the extraction.
        OSError: a file cannot be written; what was written before is intact.
    """
    found = None if recompute else stored(path, meta)
    if found is not None:
        return found
    job = Job(path, meta, len(extraction.images), extraction)
    with extraction.model.evaluating():
        return collect(job, batch_size=batch_size, progress=progress)


def described_entries(
    model: nn.Module, entries: Mapping[str, NDArray[np.int64]]
) -> dict[str, dict[str, object]]:
    """Return {tensor: numel, shape, module type and chosen places}, in JSON types."""
    described = described_parameters(model)
    return {name: {**described[name], "entries": chosen.tolist()} for name, chosen in entries.items()}


@contextmanager
def _trainable_alone(model: nn.Module, names: Collection[str]) -> Iterator[None]:
    """Let only some tensors require a gradient for a while: the others then cost nothing."""
    others = [parameter for name, parameter in trainable_parameters(model).items() if name not in names]
    for parameter in others:
        parameter.requires_grad = False
    try:
        yield
    finally:
        for parameter in others:
            parameter.requires_grad = True
