"""The images that the Fisher information is estimated from: of a set, or drawn by the model itself."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from anomaly_methods.extractors.indexed import images_for
from invglow.data.image_set import ImageSet
from invglow.data.permutation import permuted
from invglow.data.preprocessing import dequantize
from models.base import GenerativeModel

__all__ = ["ChosenImages", "FisherImages", "SampledImages", "batch_for"]

_SAMPLES_AT_A_TIME = 16  # so that sample number 20 is the same whatever the size of batches


class FisherImages(Protocol):
    """Images in a fixed order."""

    @property
    def name(self) -> str:
        """What to call them in a progress bar."""

    def __len__(self) -> int:
        """How many there are."""

    def batch(self, places: range) -> Tensor:
        """Return the images (B, C, H, W) at consecutive places."""

    def indices(self, places: range) -> NDArray[np.int64]:
        """Return the index (B,) of each of them, which a stochastic model draws its numbers by."""


def batch_for(model: GenerativeModel, images: FisherImages, places: range) -> Tensor:
    """Return the images at consecutive places as a model that `indexed` returned takes them, where it is."""
    x = images.batch(places).to(next(model.parameters()).device)
    return images_for(model, x, torch.from_numpy(images.indices(places)))


@dataclass(frozen=True, eq=False)
class ChosenImages:
    """Images of a set at the centres of their bins, chosen at random without replacement.

    Args:
        image_set: to choose from.
        count: how many.
        seed: names the choice.

    Raises:
        ValueError: the set has fewer.
    """

    image_set: ImageSet
    count: int
    seed: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.count <= len(self.image_set):
            raise ValueError(
                f"The Fisher information takes 1 to {len(self.image_set)} images of {self.image_set.name}, "
                f"got {self.count}."
            )

    @property
    def name(self) -> str:
        return self.image_set.name

    def __len__(self) -> int:
        return self.count

    def batch(self, places: range) -> Tensor:
        return dequantize(self.image_set.batch(self.indices(places)))

    def indices(self, places: range) -> NDArray[np.int64]:
        """Return where in the set they are."""
        return self._order[places.start : places.stop]

    @cached_property
    def _order(self) -> NDArray[np.int64]:
        return np.sort(permuted(np.arange(self.count), len(self.image_set), (self.seed,)))


@dataclass(frozen=True, eq=False)
class SampledImages:
    """Images that a model draws, as they come: F from them is the Fisher information proper, up to chance.

    Args:
        model: in evaluation mode.
        count: how many.
        seed: names them.
        temperature: that they are drawn at; other than 1, F is not that of the model's own density.

    Raises:
        ValueError: the count is not positive.
    """

    model: GenerativeModel
    count: int
    seed: int = 0
    temperature: float = 1.0

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ValueError(f"The Fisher information takes at least 1 sample, got {self.count}.")

    @property
    def name(self) -> str:
        return "samples"

    def __len__(self) -> int:
        return self.count

    def batch(self, places: range) -> Tensor:
        """Return samples, drawn in runs of 16 with a seed each.

        Raises:
            ValueError: the model cannot draw any.
        """
        size = _SAMPLES_AT_A_TIME
        runs = range(places.start // size, -(-places.stop // size))
        first = runs.start * size
        drawn = torch.cat([self._run(number) for number in runs])
        return drawn[places.start - first : places.stop - first]

    def indices(self, places: range) -> NDArray[np.int64]:
        """Return the numbers of the samples."""
        return np.arange(places.start, places.stop)

    @torch.no_grad()
    def _run(self, number: int) -> Tensor:
        seed = int(np.random.SeedSequence((self.seed, number)).generate_state(1)[0])
        try:
            return self.model.sample(
                _SAMPLES_AT_A_TIME,
                generator=torch.Generator().manual_seed(seed),
                temperature=self.temperature,
            )
        except torch.linalg.LinAlgError as error:  # type: ignore[attr-defined]  # torch does not declare it
            raise ValueError(
                f"The model cannot draw samples, so its training has diverged ({error}): take the Fisher "
                "information of data."
            ) from error
