"""Images made from others that a likelihood likes too much or too little: constant, noise, blurred, flat."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from anomaly_methods.methods.base import require_comparable
from anomaly_methods.metrics import auroc
from anomaly_methods.statistics import Statistics

__all__ = ["BLURS", "CONTRASTS", "VariantLikelihood", "image_variants", "variant_likelihoods"]

Image = NDArray[np.uint8]
Maker = Callable[[Image, np.random.Generator], Image]

BLURS = (0.5, 1.0, 2.0)
CONTRASTS = (0.25, 0.5, 1.5)


def image_variants(
    images: Image, *, blurs: Sequence[float] = BLURS, contrasts: Sequence[float] = CONTRASTS, seed: int = 0
) -> dict[str, Image]:
    """Return {name: uint8 images of the same shape (N, H, W, C)}.

    - constant: every image its own mean colour, rounded
    - noise: every pixel and channel uniform on 0..255
    - shuffled: the pixels of each image in random order, so the same colours without any structure
    - blurX: a Gaussian of standard deviation X pixels, borders reflected
    - contrastX: colours X times as far from the image's mean, rounded and clipped to 0..255

    Args:
        images: uint8 (N, H, W, C).
        blurs: standard deviations in pixels, above 0.
        contrasts: factors, at least 0.
        seed: of noise and shuffling, which for each image depend on it and the image's place alone.

    Raises:
        ValueError: a standard deviation or factor is out of range.

    References:
        Do Deep Generative Models Know What They Don't Know? (Nalisnick et al., 2019), for constant images and
        contrast; Input complexity and out-of-distribution detection (Serrà et al., 2020),
        for smoothing; Schirrmeister et al. (2020); docs/analyses.md, equation 4.
    """
    if any(not 0 < blur < np.inf for blur in blurs) or any(not 0 <= c < np.inf for c in contrasts):
        raise ValueError(
            f"Blurs must be above 0 and contrasts at least 0, got {list(blurs)} and {list(contrasts)}."
        )
    makers: dict[str, Maker] = {
        "constant": partial(_with_contrast, factor=0.0),
        "noise": _noise,
        "shuffled": _shuffled,
        **{f"blur{blur:g}": partial(_blurred, sigma=blur) for blur in blurs},
        **{f"contrast{factor:g}": partial(_with_contrast, factor=factor) for factor in contrasts},
    }
    return {
        name: np.stack(
            [make(image, np.random.default_rng([seed, place])) for place, image in enumerate(images)]
        )
        for name, make in makers.items()
    }


@dataclass(frozen=True)
class VariantLikelihood:
    """The likelihood of one kind of images made from a set."""

    variant: str
    """"original": the images themselves."""
    bits_per_dim: float
    """An upper bound where `bound` is "elbo"; NaN where log p(x) is a surrogate, which has none."""
    bound: str
    """What log p(x) is: "exact", "elbo" or "surrogate"."""
    mean: float
    """Of log p(x), in nats."""
    std: float
    auroc: float
    """Of -log p(x) as a score against the originals: below 0.5 where the variant is the more likely one."""
    nonfinite: int
    """Images left out of the first numbers, as their likelihoods are NaN or infinite; in the AUROC they
    count as the most anomalous."""
    n: int


def variant_likelihoods(original: Statistics, variants: Mapping[str, Statistics]) -> list[VariantLikelihood]:
    """Return one row for the original images and one for each kind made from them.

    Args:
        original: likelihood statistics of the images.
        variants: {name: those of the images made from them}.

    Raises:
        ValueError: statistics are of another model or making, or have no rows.
    """
    rows = []
    for name, statistics in {"original": original, **variants}.items():
        require_comparable(original.meta, statistics.meta)
        values = statistics.value("log_prob")
        finite = values[np.isfinite(values)]
        mean, std = (float(finite.mean()), float(finite.std())) if len(finite) else (np.nan, np.nan)
        bound = statistics.meta.bound
        dimensions = statistics.meta.group_size * math.prod(statistics.meta.image_shape)
        bits = np.nan if bound == "surrogate" else 8 - mean / (dimensions * math.log(2))
        rows.append(
            VariantLikelihood(
                variant=name,
                bits_per_dim=bits,
                bound=bound,
                mean=mean,
                std=std,
                auroc=auroc(-original.value("log_prob"), -values, nonfinite="anomalous"),
                nonfinite=len(values) - len(finite),
                n=len(values),
            )
        )
    return rows


def _noise(image: Image, random: np.random.Generator) -> Image:
    return random.integers(0, 256, image.shape, dtype=np.uint8)


def _shuffled(image: Image, random: np.random.Generator) -> Image:
    """Whole pixels change places, so colours stay together."""
    return random.permutation(image.reshape(-1, image.shape[-1])).reshape(image.shape)


def _blurred(image: Image, _random: np.random.Generator, *, sigma: float) -> Image:
    # Of float32, so that rounding happens once; OpenCV drops the axis of a single channel.
    blurred = cv2.GaussianBlur(image.astype(np.float32), (0, 0), sigma, borderType=cv2.BORDER_REFLECT_101)
    return _to_pixels(np.asarray(blurred).reshape(image.shape))


def _with_contrast(image: Image, _random: np.random.Generator, *, factor: float) -> Image:
    mean = image.astype(np.float64).mean(axis=(0, 1), keepdims=True)
    return _to_pixels(mean + factor * (image - mean))


def _to_pixels(values: NDArray[Any]) -> Image:
    pixels: Image = np.rint(values).clip(0, 255).astype(np.uint8)
    return pixels
