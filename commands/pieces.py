"""Statistics of image sets of any size in constant memory: some images at a time, each piece in its file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from commands.computing import Computation, RunModel

if TYPE_CHECKING:
    from pathlib import Path

    from anomaly_methods.methods.sources import Source, SourceStatistics
    from anomaly_methods.statistics import Statistics
    from invglow.data.image_set import ImageSet

__all__ = ["PIECE", "Pieces"]

PIECE = 10_000
"""Images at a time: with a thousand parameter tensors, their gradient norms take 80 MB."""


@dataclass(frozen=True)
class Pieces:
    """Statistics of images under several models.

    What is in a run's folder is used again. Where it is of other images, since a folder of pictures has
    changed, it is computed anew, and that is said.

    Args:
        computation: how.
        models: by role.
        sources: what is wanted.
    """

    computation: Computation
    models: Mapping[str, RunModel]
    sources: Sequence[Source]

    def of(self, images: ImageSet) -> Iterator[SourceStatistics]:
        """Yield the statistics of the first images, of the next, and so on."""
        for part, piece in _pieces(images):
            yield {source: self._one(source, piece, images.name, part) for source in self.sources}

    def whole(self, images: ImageSet) -> SourceStatistics:
        """Return the statistics of all images at once."""
        return {source: self._one(source, images, images.name, "") for source in self.sources}

    def _one(self, source: Source, images: ImageSet, spec: str, part: str) -> Statistics:
        model = self.models[source.role]
        path = self.computation.path(model, spec, source.kind, part)
        recompute = self.computation.recompute or _is_of_others(path, images)
        computation = replace(self.computation, recompute=recompute)
        return computation.of_images(model, images, path, source.kind)


def _pieces(images: ImageSet) -> Iterator[tuple[str, ImageSet]]:
    """Yield parts of a set with what to call each in file names; a small set is one part without a name."""
    total = len(images)
    if total <= PIECE:
        yield "", images
        return
    for start in range(0, total, PIECE):
        stop = min(start + PIECE, total)
        name = f"{images.name} ({start + 1:,} to {stop:,} of {total:,})"
        rows = slice(start, stop)
        yield f"from{start}", replace(images, name=name, images=images.images[rows], labels=None, paths=None)


def _is_of_others(path: Path, images: ImageSet) -> bool:
    from anomaly_methods.statistics import Statistics

    if not path.exists() or Statistics.load(path).meta.dataset_sha256 == images.sha256():
        return False
    print(f"{images.name} has changed since {path} was computed: it is computed again.")
    return True
