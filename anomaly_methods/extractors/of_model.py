"""Statistics of a model at hand, trained or written anywhere, without a run."""

from __future__ import annotations

import hashlib
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from anomaly_methods.extractors.base import Extractor
from anomaly_methods.extractors.extraction import Extraction
from anomaly_methods.extractors.likelihood import LikelihoodExtractor
from anomaly_methods.extractors.run import load_or_extract
from anomaly_methods.statistics import Statistics
from invglow.data.image_set import ImageSet
from models.base import GenerativeModel

__all__ = ["state_sha256", "statistics_of"]


def statistics_of(
    model: GenerativeModel,
    images: ImageSet,
    extractor: Extractor | None = None,
    *,
    name: str | None = None,
    path: Path | str | None = None,
    batch_size: int = 128,
    progress: bool = False,
) -> Statistics:
    """Return the statistics of images, at the centres of their bins, under a model in memory.

    Args:
        model: put into evaluation mode while it runs, where its parameters are.
        images: the set.
        extractor: what to compute of each group; by default log p(x) of each image.
        name: what to call the model; by default its class.
        path: file to keep them in; what it holds already is read, if it is of these weights and images.
        batch_size: images at a time, rounded to whole groups.
        progress: show a bar.

    Raises:
        ValueError: the images do not fit the model, its output has the wrong shape, or the file holds other
            statistics.
        OSError: the file cannot be written.
    """
    if not isinstance(images, ImageSet):
        raise ValueError(
            f"The images must be an ImageSet, as ImageSet('mine', 'test', array) is, but are a "
            f"{type(images).__name__}."
        )
    extraction = Extraction(
        model=model,
        image_set=images,
        extractor=extractor or LikelihoodExtractor(),
        model_name=name or type(model).__name__,
        checkpoint_sha256=state_sha256(model),
    )
    with TemporaryDirectory() as folder:
        where = Path(path or Path(folder, "statistics.npz"))
        return load_or_extract(extraction, where, batch_size=batch_size, progress=progress)


def state_sha256(model: torch.nn.Module) -> str:
    """Return the hexadecimal SHA-256 of all parameters and buffers: names, types, shapes and bytes.

    It stands for the checkpoint of a model that was not saved; that of the same weights in a file is another.
    """
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)} ".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()
