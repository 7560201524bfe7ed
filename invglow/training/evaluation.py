"""Evaluation while training: bits per dimension of each set, and how well a difference separates sets."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from invglow.data.batches import evaluation_batches
from invglow.data.image_set import ImageSet
from invglow.data.preprocessing import bits_per_dim
from invglow.training.likelihood_model import LikelihoodModel

__all__ = ["Evaluation", "log_probs"]


@torch.inference_mode()
def log_probs(
    model: LikelihoodModel, images: ImageSet, batch_size: int, device: torch.device
) -> NDArray[np.float64]:
    """Return log p(x) of the bin centres of each image, shape (N,), in nats.

    Args:
        model: the density; put into evaluation mode for as long as it takes.
        images: the set.
        batch_size: images at a time.
        device: where the model is.
    """
    batches = evaluation_batches(images, batch_size)
    with model.evaluating():
        found = [model.log_prob(x.to(device)).double().cpu() for _, x in batches]
    return torch.cat(found).numpy()


@dataclass(frozen=True)
class Evaluation:
    """The sets to watch while training.

    Attributes:
        sets: image sets by the name to report; the one called `test` is the in-distribution one.
        general: model whose log-likelihood is subtracted for the AUROC of the difference, if any.
        limit: images of each set to use, the first ones.
        batch_size: images at a time.
    """

    sets: Mapping[str, ImageSet]
    general: LikelihoodModel | None = None
    limit: int = 1000
    batch_size: int = 100

    def __post_init__(self) -> None:
        if self.limit < 1 or self.batch_size < 1:
            raise ValueError(
                f"Evaluation needs a limit and a batch size of at least 1, "
                f"got {self.limit} and {self.batch_size}."
            )

    def __call__(self, model: LikelihoodModel, device: torch.device) -> dict[str, float]:
        """Return `bits_per_dim/SET` for each set and `auroc/SET` of the difference against `test`."""
        sets = {name: images.limited(self.limit) for name, images in self.sets.items()}
        found = {name: log_probs(model, images, self.batch_size, device) for name, images in sets.items()}
        result = {
            f"bits_per_dim/{name}": float(bits_per_dim(values, math.prod(sets[name].image_shape)).mean())
            for name, values in found.items()
        }
        if self.general is not None and "test" in sets:
            ratios = {
                name: found[name] - log_probs(self.general, images, self.batch_size, device)
                for name, images in sets.items()
                if name != "train"
            }
            result |= _aurocs(ratios)
        return result


def _aurocs(ratios: Mapping[str, NDArray[np.float64]]) -> dict[str, float]:
    """Return the AUROC of minus the ratio as a score, each set (anomalous) against `test` (normal)."""
    normal = ratios["test"]
    result = {}
    for name, anomalous in ratios.items():
        scores = -np.concatenate((normal, anomalous))
        if name != "test" and np.isfinite(scores).all():
            labels = np.repeat((0, 1), (len(normal), len(anomalous)))
            result[f"auroc/{name}"] = float(roc_auc_score(labels, scores))
    return result
