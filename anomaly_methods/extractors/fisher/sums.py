"""Sums over images of what the blocks of the Fisher information keep, also across interruptions."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from anomaly_methods.extractors.fisher.blocks import Block
from anomaly_methods.extractors.fisher.file import PART, Content, read_content, write_content
from anomaly_methods.extractors.fisher.meta import FisherMeta
from anomaly_methods.extractors.gradient_norms.per_group import squared_norms

__all__ = ["Part", "Sums"]

logger = logging.getLogger(__name__)


class Sums:
    """Sums of moments, in float64, and how many images went in.

    Args:
        blocks: {parameter name: block}.
        device: where gradients come from.

    Attributes:
        seen: images so far.
        images: {parameter name: how many of them had a finite gradient of it}.
        moments: {parameter name: sums}.
    """

    def __init__(self, blocks: Mapping[str, Block], device: torch.device) -> None:
        self.seen = 0
        self.images = dict.fromkeys(blocks, 0)
        self.moments = {
            name: [torch.zeros(shape, dtype=torch.float64, device=device) for shape in block.moment_shapes]
            for name, block in blocks.items()
        }
        self._blocks = blocks

    def add(self, name: str, gradients: Tensor) -> Tensor:
        """Take in gradients (n, *shape) of single images, leaving out those that are not finite."""
        norms = squared_norms(gradients)
        finite = norms.isfinite()
        if not finite.all():
            gradients = gradients[finite]
        self.images[name] += len(gradients)
        for total, found in zip(self.moments[name], self._blocks[name].sums(gradients), strict=True):
            total.add_(found)
        return norms

    def means(self, name: str, dtype: torch.dtype) -> list[Tensor]:
        """Return the moments of one tensor, means over images.

        Raises:
            ValueError: there was no image, or they are too large for the dtype.
        """
        if not self.images[name]:
            raise ValueError(
                f"The Fisher information cannot be estimated: the gradient of {name!r} is finite for none of "
                f"{self.seen} images."
            )
        means = [(total / self.images[name]).to(dtype) for total in self.moments[name]]
        if not all(mean.isfinite().all() for mean in means):
            raise ValueError(
                f"The Fisher information cannot be estimated: squares of the gradient of {name!r} are too "
                f"large for {dtype}, so the model has most likely diverged."
            )
        return means


class Part:
    """An unfinished estimate in a file, from which it goes on after a kill.

    Args:
        path: of the file.
        meta: of the whole; a part of any other estimate is not used.
        blocks: {parameter name: block}.
        seconds: after which sums are written again.
    """

    def __init__(self, path: Path, meta: FisherMeta, blocks: Mapping[str, Block], seconds: float) -> None:
        self._path = path
        self._meta = meta
        self._blocks = blocks
        self._seconds = seconds
        self._last_write = time.monotonic()

    def restore(self, sums: Sums) -> None:
        """Take over what an earlier run of the same estimate has summed up, if there is any."""
        if not self._path.exists():
            return
        try:
            content, _ = read_content(self._path, PART, self._meta, self._blocks)
        except ValueError as error:
            logger.warning("%s It is not used and replaced.", error)
            return
        sums.seen, sums.images = content.seen, dict(content.images)
        for name, moments in content.moments.items():
            for total, found in zip(sums.moments[name], moments, strict=True):
                total.copy_(found)
        logger.info("Going on with %s after %d images.", self._path, sums.seen)

    def save(self, sums: Sums) -> None:
        """Write the sums, if it is time.

        Raises:
            OSError: they cannot be written; those before are intact.
        """
        if time.monotonic() - self._last_write < self._seconds:
            return
        write_content(self._path, Content(self._meta, sums.moments, sums.images, sums.seen), PART)
        self._last_write = time.monotonic()

    def remove(self) -> None:
        """Remove the file, once the whole one is there."""
        self._path.unlink(missing_ok=True)
