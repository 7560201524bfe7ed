"""Models whose Fisher information is known, images that make it exactly so, and the slow and plain way."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from anomaly_methods.extractors.fisher.blocks import DiagonalBlock
from anomaly_methods.extractors.fisher.estimate import estimate_fisher
from anomaly_methods.extractors.fisher.fisher import Fisher
from anomaly_methods.extractors.fisher.images import FisherImages
from anomaly_methods.extractors.fisher.meta import FisherMeta
from anomaly_methods.extractors.gradient_norms import reference_gradients
from models.base import GenerativeModel

__all__ = [
    "FixedImages",
    "GaussianMean",
    "LinearGaussian",
    "dense_fisher",
    "estimated",
    "factorial_images",
    "make_fisher_meta",
    "stacked_gradients",
]


class GaussianMean(GenerativeModel):
    """Every pixel N(mu, 1), with a mean of its own: the Fisher information of mu is the identity."""

    bound = "exact"

    def __init__(self, shape: tuple[int, int, int] = (1, 2, 3)) -> None:
        super().__init__()
        self.image_shape = shape
        self.mean = nn.Parameter(torch.zeros(shape, dtype=torch.float64))

    def log_prob(self, x: Tensor) -> Tensor:
        return -0.5 * (x - self.mean).square().flatten(1).sum(dim=1)

    def sample(self, n: int, generator: torch.Generator | None = None, temperature: float = 1.0) -> Tensor:
        noise = torch.randn(n, *self.image_shape, generator=generator, dtype=torch.float64)
        return self.mean.detach() + temperature * noise


class LinearGaussian(GenerativeModel):
    """Images (1, 2, K) of two rows a and y: a ~ N(0, I) and y | a ~ N(W a + b, I).

    The gradient of W is (y - W a - b) a^T: one linear layer at one position. Under the model the two factors
    are independent, so that the Fisher information of W is E[dd^T] (x) E[aa^T], a Kronecker product.
    """

    bound = "exact"

    def __init__(self, size: int) -> None:
        super().__init__()
        self.image_shape = (1, 2, size)
        self.layer = nn.Linear(size, size).double()

    def log_prob(self, x: Tensor) -> Tensor:
        a, y = x[:, 0, 0], x[:, 0, 1]
        squares: Tensor = a.square() + (y - self.layer(a)).square()
        return -0.5 * squares.sum(dim=1)

    def sample(self, n: int, generator: torch.Generator | None = None, temperature: float = 1.0) -> Tensor:
        a, noise = temperature * torch.randn(2, n, self.image_shape[2], generator=generator).double()
        return torch.stack((a, self.layer(a).detach() + noise), dim=1)[:, None]


class FixedImages:
    """Images that are there already."""

    name = "fixed"

    def __init__(self, images: Tensor) -> None:
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def batch(self, places: range) -> Tensor:
        return self.images[places.start : places.stop]

    def indices(self, places: range) -> NDArray[np.int64]:
        return np.arange(places.start, places.stop)


def factorial_images(model: LinearGaussian, inputs: Tensor, residuals: Tensor) -> Tensor:
    """Return the image of every input a with every residual d, so that the two are exactly independent."""
    pairs = [torch.stack((a, model.layer(a).detach() + d)) for a, d in product(inputs, residuals)]
    return torch.stack(pairs)[:, None]


def make_fisher_meta(structure: str, images: int, **changes: Any) -> FisherMeta:
    """Return the meta of an estimate from so many images, with some fields changed."""
    fields: dict[str, Any] = {
        "structure": structure,
        "model": "runs/specific",
        "checkpoint_sha256": "a" * 64,
        "source": "data",
        "dataset": "cats",
        "dataset_sha256": "1" * 64,
        "images": images,
        "seed": 0,
    }
    return FisherMeta(**{**fields, **changes})


def estimated(
    model: GenerativeModel, images: Tensor | FisherImages, structure: str, folder: Path, **options: Any
) -> Fisher:
    """Estimate F from images that are given as they are."""
    given = FixedImages(images) if isinstance(images, Tensor) else images
    meta = make_fisher_meta(structure, len(given))
    return estimate_fisher(model, given, meta, folder / f"{structure}.safetensors", **options)


def stacked_gradients(model: GenerativeModel, x: Tensor, group_size: int = 1) -> Tensor:
    """Return the gradient of every group with respect to all parameters as one row, (groups, P)."""
    gradients = reference_gradients(model, x, group_size)
    return torch.cat([gradient.flatten(1) for gradient in gradients.values()], dim=1)


def dense_fisher(model: GenerativeModel, images: Tensor, fisher: Fisher, fraction: float) -> Tensor:
    """Return the whole matrix E[g g^T] (P, P), with the damping of every tensor on its diagonal.

    Where a block is diagonal, so is the matrix there; nothing else is left out.
    """
    gradients = stacked_gradients(model, images)
    matrix = gradients.T @ gradients / len(gradients)
    start = 0
    for name, block in fisher.blocks.items():
        part = slice(start, start + block.numel)
        if isinstance(block, DiagonalBlock):
            matrix[part, part] = matrix[part, part].diag().diag()
        matrix[part, part] += fisher.damping(fraction)[name] * torch.eye(block.numel, dtype=torch.float64)
        start += block.numel
    return matrix
