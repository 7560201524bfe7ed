"""The ratio of a model to a lossless image codec: what the image costs more than its complexity explains."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from anomaly_methods.methods.base import FormulaMethod
from anomaly_methods.methods.sources import SPECIFIC_LIKELIHOOD, Source, complexity_by
from anomaly_methods.statistics import Statistics

__all__ = ["ComplexityRatio", "ComplexityRatioJpeg2000", "ComplexityRatioJpegLs", "ComplexityRatioWebp"]

_LOG_BIN = math.log(256)


def _sources(codec: str) -> Mapping[str, Source]:
    return {"specific": SPECIFIC_LIKELIHOOD, "codec": complexity_by(codec)}


class ComplexityRatio(FormulaMethod):
    """Score `S(x) = -log P(x) - L(x)`, in nats, summed over the group; L is the size of the image as PNG.

    P(x) is the probability of the 8-bit image, `log P(x) = log p(x) - D log 256` over D dimensions, and L(x)
    the length of its file in nats (bits times log 2): by so much the model's code is longer than the codec's,
    which takes the place of the general model. L is of the whole file, header included; the header is as
    long for all images of one shape, so it shifts every score alike and changes no ranking.

    References:
        Input complexity and out-of-distribution detection with likelihood-based generative models (Serrà et
        al., 2020), equation 1. With PNG as the general model: Understanding Anomaly Detection with Deep
        Invertible Networks through Hierarchies of Distributions and Features (Schirrmeister et al., 2020).
        docs/methods.md, equation 7.
    """

    name: ClassVar[str] = "complexity_ratio"
    summary: ClassVar[str] = "minus log P(x) - code length of x as PNG"
    sources: ClassVar[Mapping[str, Source]] = _sources("png")
    requires: ClassVar[tuple[str, ...]] = ("specific/log_prob", "codec/code_length")
    requirement: ClassVar[str] = "likelihood and complexity statistics"

    def formula(self, statistics: Statistics) -> NDArray[np.float64]:
        meta = statistics.meta
        dimensions = meta.group_size * math.prod(meta.image_shape)
        model_code = dimensions * _LOG_BIN - statistics.value("specific/log_prob")
        return model_code - statistics.value("codec/code_length")


class ComplexityRatioWebp(ComplexityRatio):
    """`ComplexityRatio` with lossless WebP, whose files are the shortest of these codecs.

    References:
        As for `ComplexityRatio`.
    """

    name: ClassVar[str] = "complexity_ratio_webp"
    summary: ClassVar[str] = "minus log P(x) - code length of x as lossless WebP"
    sources: ClassVar[Mapping[str, Source]] = _sources("webp")


class ComplexityRatioJpeg2000(ComplexityRatio):
    """`ComplexityRatio` with lossless JPEG 2000, one of the codecs of Serrà et al.

    References:
        As for `ComplexityRatio`.
    """

    name: ClassVar[str] = "complexity_ratio_jpeg2000"
    summary: ClassVar[str] = "minus log P(x) - code length of x as lossless JPEG 2000"
    sources: ClassVar[Mapping[str, Source]] = _sources("jpeg2000")


class ComplexityRatioJpegLs(ComplexityRatio):
    """`ComplexityRatio` with lossless JPEG-LS; it needs the package imagecodecs (the extra `codecs`).

    References:
        As for `ComplexityRatio`.
    """

    name: ClassVar[str] = "complexity_ratio_jpeg_ls"
    summary: ClassVar[str] = "minus log P(x) - code length of x as lossless JPEG-LS"
    sources: ClassVar[Mapping[str, Source]] = _sources("jpeg_ls")
