"""How complex images are: the length of their losslessly compressed files. It needs no model."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anomaly_methods.extractors.codecs import get_codec
from anomaly_methods.extractors.collecting import Job, collect, stored
from anomaly_methods.extractors.extraction import meta_of_images, whole_groups
from anomaly_methods.meta import COMPLEXITY_KINDS
from anomaly_methods.statistics import Statistics
from invglow.data.image_set import ImageSet

__all__ = ["load_or_measure"]

NO_MODEL = "none"
VERSION = 1
_NATS_PER_BYTE = 8 * math.log(2)


def load_or_measure(
    images: ImageSet,
    codec: str,
    path: Path,
    *,
    group_size: int = 1,
    recompute: bool = False,
    progress: bool = False,
    part_seconds: float = 30.0,
) -> Statistics:
    """Return `code_length`: the size of each image's file in nats, summed over groups; computed once.

    The exact 8-bit pixels are compressed, as the model would see them: cut, resized and grey as the set is.
    In the meta of the result the model is the codec, its checkpoint and bound are "none".

    Args:
        images: the set.
        codec: one of `anomaly_methods.extractors.codecs.CODECS`.
        path: of the statistics file.
        group_size: consecutive images that make one row.
        recompute: compute anyway, and replace what is there.
        progress: show a bar.
        part_seconds: at most so much work is lost by a kill.

    Raises:
        ValueError: the codec is unknown or not installed, the images are too few for a group, or the file is
            of another image set, codec or version of its library.
        OSError: a file cannot be written; what was written before is intact.

    References:
        Input complexity and out-of-distribution detection with likelihood-based generative models (Serrà et
        al., 2020).
    """
    encoder = get_codec(codec)
    rows = whole_groups(images, group_size)
    meta = meta_of_images(
        images,
        kind=next(kind for kind, name in COMPLEXITY_KINDS.items() if name == codec),
        model=codec,
        checkpoint_sha256=NO_MODEL,
        bound=NO_MODEL,
        preprocessing="uint8 pixels",
        group_size=group_size,
        extractor_version=VERSION,
        settings=encoder.settings(),
    )
    found = None if recompute else stored(path, meta)
    if found is not None:
        return found

    def values(indices: range) -> dict[str, NDArray[np.float64]]:
        pixels = images.batch(indices).permute(0, 2, 3, 1).numpy()
        sizes = np.array([len(encoder.encode(image)) for image in pixels], dtype=np.float64)
        return {"code_length": sizes.reshape(-1, group_size).sum(axis=1) * _NATS_PER_BYTE}

    return collect(Job(path, meta, rows, values), progress=progress, part_seconds=part_seconds)
