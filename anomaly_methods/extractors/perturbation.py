"""How far a flow carries small perturbations, from its latents to the image and back."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from anomaly_methods.extractors.collecting import Job, collect, stored
from anomaly_methods.extractors.extraction import meta_of_images, whole_groups
from anomaly_methods.extractors.noise import standard_normal_noise
from anomaly_methods.meta import StatisticsMeta
from anomaly_methods.statistics import Statistics
from invglow.data.image_set import ImageSet
from invglow.data.preprocessing import check_image_shape, dequantize
from models.base import GenerativeModel, InvertibleModel

__all__ = ["Perturbation", "load_or_perturb"]

VERSION = 1


@dataclass(frozen=True)
class Perturbation:
    """Random perturbations of the latents z of each image's bin centres x, and of x, and what is measured.

    - `input_moved.total`: |x(z + d) - x| for a random direction d in the space of all latents
    - `input_moved.scaleS`: the same for a direction in the latent of one scale alone, 0 the finest
    - `latent_moved.total`: |z(x + e) - z| for a random direction e in the space of images
    - `latent_moved.scaleS`: what of that is in the latent of one scale

    Directions are uniform on the sphere; each value is the root mean square over them. For small norms that
    estimates norm * |J|_F / sqrt(D), J the Jacobian of the map and D the dimensions that the direction is
    drawn in.

    Args:
        norm: Euclidean length of the perturbations, for images with values in [-1/2, 1/2).
        directions: how many for each image, each way.
        seed: of the directions, which for each image depend on the seed and its place in the set alone.

    Raises:
        ValueError: a number is not positive.

    References:
        Schirrmeister et al. (2020), perturbations of norm 0.01. Why mean squares over random directions tell
        the Frobenius norm: A stochastic estimator of the trace of the influence matrix (Hutchinson, 1989).
        docs/analyses.md, equation 3.
    """

    norm: float = 0.01
    directions: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.norm < math.inf or self.directions < 1 or self.seed < 0:
            raise ValueError(
                f"Perturbations need a norm above 0, at least 1 direction and a seed of at least 0, "
                f"got {self.norm}, {self.directions} and {self.seed}."
            )


def load_or_perturb(
    model: GenerativeModel,
    images: ImageSet,
    perturbation: Perturbation,
    path: Path,
    *,
    model_name: str,
    checkpoint_sha256: str,
    batch_size: int = 64,
    recompute: bool = False,
    progress: bool = False,
) -> Statistics:
    """Return how far perturbations move each image or its latents, from `path` where it is there.

    Everything is computed in float64, since float32 rounds a trained flow by about as much.

    Args:
        model: it must be invertible; it is copied, not changed.
        images: the set.
        perturbation: what to do to each image.
        path: of the statistics file.
        model_name: for people, such as the run's folder.
        checkpoint_sha256: of the model's weights.
        batch_size: images at a time.
        recompute: compute anyway, and replace what is there.
        progress: show a bar.

    Raises:
        ValueError: the model is not invertible, the images do not fit it, or the file is of another
            computation.
        OSError: a file cannot be written; what was written before is intact.
    """
    flow = _checked(model, images)
    meta = _meta(flow, images, perturbation, model=model_name, checkpoint_sha256=checkpoint_sha256)
    found = None if recompute else stored(path, meta)
    if found is not None:
        return found
    values = partial(_moves, copy.deepcopy(flow).double().eval(), images, perturbation)
    job = Job(path, meta, whole_groups(images, 1), values)
    return collect(job, batch_size=batch_size, progress=progress)


def _meta(
    flow: InvertibleModel, images: ImageSet, perturbation: Perturbation, **fields: Any
) -> StatisticsMeta:
    return meta_of_images(
        images,
        kind="perturbation",
        bound=flow.bound,
        preprocessing="(x + u) / 256 - 1/2, u = 1/2",
        unit="Euclidean norm",
        seed=perturbation.seed,
        extractor_version=VERSION,
        settings={
            "norm": perturbation.norm,
            "directions": perturbation.directions,
            "latents": "standardized" if flow.standardized else "as the flow gives them",
        },
        **fields,
    )


@torch.no_grad()
def _moves(
    flow: InvertibleModel, images: ImageSet, perturbation: Perturbation, indices: range
) -> dict[str, NDArray[np.float64]]:
    """Return the root mean square over directions of how far each image's perturbations are carried."""
    where = next(flow.parameters()).device
    x = dequantize(images.batch(indices)).to(where, torch.float64)
    latents = flow.latents(x)
    means: dict[str, Tensor] = {}
    for draw in range(perturbation.directions):
        drawn = _draw(indices, x, perturbation.seed, draw)
        for name, square in _squared_moves(flow, x, latents, drawn, perturbation.norm).items():
            means[name] = means.get(name, 0.0) + square / perturbation.directions
    return {name: mean.sqrt().cpu().numpy() for name, mean in means.items()}


class _Directions(NamedTuple):
    """Standard normal numbers, one row (B, D) per image, whose directions are uniform on the sphere."""

    of_latents: Tensor
    of_images: Tensor


def _draw(indices: range, x: Tensor, seed: int, draw: int) -> _Directions:
    size = x[0].numel()  # as many as the latents have together, since the flow is a bijection
    pair = (standard_normal_noise(indices, size, seed=seed, draw=2 * draw + way) for way in (0, 1))
    return _Directions(*(noise.to(x.device) for noise in pair))


def _squared_moves(
    flow: InvertibleModel, x: Tensor, latents: Sequence[Tensor], drawn: _Directions, norm: float
) -> dict[str, Tensor]:
    """Return the squared distance of every image, or latent, from where it was: {name: (B,)}."""
    sizes = [latent[0].numel() for latent in latents]
    parts = drawn.of_latents.split(sizes, dim=1)
    everywhere = _scaled(drawn.of_latents, norm).split(sizes, dim=1)
    found = {"input_moved.total": _input_moved(flow, x, latents, everywhere)}
    for scale, part in enumerate(parts):
        nowhere = [torch.zeros_like(other) for other in parts]
        nowhere[scale] = _scaled(part, norm)
        found[f"input_moved.scale{scale}"] = _input_moved(flow, x, latents, nowhere)
    moved = flow.latents(x + _scaled(drawn.of_images, norm).view_as(x))
    squares = [_squared_norm(new - old) for new, old in zip(moved, latents, strict=True)]
    found["latent_moved.total"] = torch.stack(squares).sum(dim=0)
    return found | {f"latent_moved.scale{scale}": square for scale, square in enumerate(squares)}


def _input_moved(
    flow: InvertibleModel, x: Tensor, latents: Sequence[Tensor], changes: Sequence[Tensor]
) -> Tensor:
    moved = [latent + change.view_as(latent) for latent, change in zip(latents, changes, strict=True)]
    return _squared_norm(flow.invert(moved) - x)


def _scaled(rows: Tensor, norm: float) -> Tensor:
    """Return (B, D) with every row of the length `norm`."""
    lengths: Tensor = rows.norm(dim=1, keepdim=True)
    return rows * (norm / lengths)


def _squared_norm(change: Tensor) -> Tensor:
    squared: Tensor = change.flatten(1).square().sum(dim=1)
    return squared


def _checked(model: GenerativeModel, images: ImageSet) -> InvertibleModel:
    if not isinstance(model, InvertibleModel):
        raise ValueError(
            f"Perturbations need a model with latents that can be inverted, such as a Glow, "
            f"got {type(model).__name__}."
        )
    check_image_shape(images.image_shape, model.image_shape, name=images.name)
    return model
