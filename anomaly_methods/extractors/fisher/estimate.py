"""Estimating the Fisher information from images, safely: resumable, and whole or not at all."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path

from tqdm import tqdm

from anomaly_methods.extractors.fisher.blocks import Block
from anomaly_methods.extractors.fisher.file import WHOLE, Content, read_content, write_content
from anomaly_methods.extractors.fisher.fisher import Fisher
from anomaly_methods.extractors.fisher.images import FisherImages, batch_for
from anomaly_methods.extractors.fisher.meta import FisherMeta
from anomaly_methods.extractors.fisher.structure import blocks_of
from anomaly_methods.extractors.fisher.sums import Part, Sums
from anomaly_methods.extractors.gradient_norms.checks import tensors_to_leave_apart
from anomaly_methods.extractors.gradient_norms.engine import visit_gradients
from anomaly_methods.extractors.gradient_norms.memory import Memory
from anomaly_methods.extractors.gradient_norms.parameters import trainable_parameters
from anomaly_methods.extractors.indexed import indexed
from models.base import GenerativeModel

__all__ = ["estimate_fisher", "stored_fisher"]

logger = logging.getLogger(__name__)


def estimate_fisher(
    model: GenerativeModel,
    images: FisherImages,
    meta: FisherMeta,
    path: Path,
    *,
    batch_size: int = 128,
    progress: bool = False,
    part_seconds: float = 60.0,
) -> Fisher:
    """Estimate F = E[g g^T] from per-image gradients g of log p, block by block, and save it at `path`.

    Images whose gradient of a tensor is not finite are left out of that tensor's block, and counted. Killed
    and called again, it goes on from the file `PATH.part`, which it removes in the end.

    Args:
        model: in evaluation mode.
        images: as many as `meta` says.
        meta: of the result.
        path: of the file; an earlier one stays until the new one is whole.
        batch_size: images at a time.
        progress: show a bar.
        part_seconds: at most so much work is lost by a kill.

    Raises:
        ValueError: log_prob is not (B,) or mixes images, the batch size is not positive, or no image has a
            finite gradient of some tensor.
        OSError: a file cannot be written; what was written before is intact.
    """
    if batch_size < 1:
        raise ValueError(f"The batch size must be at least 1, got {batch_size}.")
    if meta.images != len(images):
        raise ValueError(f"The estimate is to be of {meta.images} images, but there are {len(images)}.")
    parameters = trainable_parameters(model)
    blocks = blocks_of(meta.structure, parameters)
    sums = Sums(blocks, next(iter(parameters.values())).device)
    part = Part(_part_path(path), meta, blocks, part_seconds)
    part.restore(sums)
    with tqdm(
        desc=f"Fisher information ({meta.structure}): {images.name}",
        total=len(images),
        initial=sums.seen,
        unit="image",
        disable=not progress,
    ) as bar:
        for seen in _summed(model, images, sums, batch_size):
            part.save(sums)
            bar.update(seen)
    # Kept as exactly as gradients are known; a file is read back, so that every use is of the same numbers.
    moments = {name: sums.means(name, parameters[name].dtype) for name in blocks}
    write_content(path, Content(meta, moments, sums.images, sums.seen), WHOLE)
    part.remove()
    return _load(path, meta, blocks)


def stored_fisher(path: Path, meta: FisherMeta, model: GenerativeModel) -> Fisher | None:
    """Return the estimate at `path` if it is the one that `meta` describes, None if there is none.

    Raises:
        ValueError: it is of another model or other images, or damaged.
    """
    if not path.exists():
        return None
    found = _load(path, meta, blocks_of(meta.structure, trainable_parameters(model)))
    _part_path(path).unlink(missing_ok=True)  # left by a kill just before it would have been removed
    return found


def _part_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.part")


def _summed(model: GenerativeModel, images: FisherImages, sums: Sums, batch_size: int) -> Iterator[int]:
    """Add the images that are missing, batch by batch, and yield the size of each."""
    apart: tuple[str, ...] | None = None
    memory = Memory()
    asked = indexed(model)
    for start in range(sums.seen, len(images), batch_size):
        x = batch_for(asked, images, range(start, min(start + batch_size, len(images))))
        if apart is None:
            apart = tensors_to_leave_apart(asked, x)
        visit_gradients(asked, x, sums.add, apart=apart, memory=memory)
        sums.seen += len(x)
        yield len(x)


def _load(path: Path, meta: FisherMeta, blocks: Mapping[str, Block]) -> Fisher:
    content, sha256 = read_content(path, WHOLE, meta, blocks)
    left_out = {name: content.seen - images for name, images in content.images.items()}
    if any(left_out.values()):
        logger.warning(
            "%s is of %d images, but the gradient of %d tensors is not finite for up to %d of them.",
            path,
            content.seen,
            sum(1 for count in left_out.values() if count),
            max(left_out.values()),
        )
    return Fisher(blocks, content.moments, content.images, content.meta, sha256)
