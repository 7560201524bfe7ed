"""Evaluation while training: bits per dimension, how well likelihoods separate sets, accuracy."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import logsumexp
from sklearn.metrics import roc_auc_score
from torch import Tensor

from invglow.data.batches import evaluation_batches
from invglow.data.image_set import ImageSet
from invglow.data.preprocessing import bits_per_dim
from invglow.training.failure import said_of
from invglow.training.likelihood_model import ClassConditionalModel, LikelihoodModel

__all__ = ["Evaluation", "accuracy", "log_probs"]

# Sets whose labels are those that the model was trained on; elsewhere, the same numbers mean something else.
LABELLED = ("train", "test")


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
    with model.evaluating():
        return _values(model, "log_prob", images, batch_size, device)


def accuracy(class_log_probs: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """Return the share of images whose label has the highest log p(x|y).

    Args:
        class_log_probs: log p(x|y), (N, C); an image with a value that is not finite counts as wrong.
        labels: classes, (N,).
    """
    right = class_log_probs.argmax(axis=1) == labels
    return float((right & np.isfinite(class_log_probs).all(axis=1)).mean())


@torch.inference_mode()
def _values(
    model: LikelihoodModel, name: str, images: ImageSet, batch_size: int, device: torch.device
) -> NDArray[np.float64]:
    found = [_asked(model, name, x.to(device)) for _, x in evaluation_batches(images, batch_size)]
    return torch.cat(found).numpy()


def _asked(model: LikelihoodModel, name: str, x: Tensor) -> Tensor:
    with said_of(model, name, x):
        found: Tensor = getattr(model, name)(x).double().cpu()
    return found


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
        """Return `bits_per_dim/SET` for each set and its AUROC against `test`.

        `auroc_raw/SET` is of log p(x) alone; with a general model, `auroc/SET` of the difference.
        Where `log_prob` is no likelihood, its mean is reported as `surrogate/SET` in place of the first.
        Of a model with classes also `accuracy/train` and `accuracy/test`, where these have labels.
        """
        sets = {name: images.limited(self.limit) for name, images in self.sets.items()}
        found, result = {}, {}
        for name, images in sets.items():
            found[name], right = self._judged(name, model, images, device)
            if model.measures_likelihood:
                bits = bits_per_dim(found[name], math.prod(images.image_shape))
                result[f"bits_per_dim/{name}"] = float(bits.mean())
            else:
                result[f"surrogate/{name}"] = float(found[name].mean())
            result |= {f"accuracy/{name}": value for value in right}
        if "test" in sets:
            compared = {name: images for name, images in sets.items() if name != "train"}
            result |= _aurocs("auroc_raw", {name: found[name] for name in compared})
            if self.general is not None and len(compared) > 1:
                ratios = {
                    name: found[name] - log_probs(self.general, images, self.batch_size, device)
                    for name, images in compared.items()
                }
                result |= _aurocs("auroc", ratios)
        return result

    def _judged(
        self, name: str, model: LikelihoodModel, images: ImageSet, device: torch.device
    ) -> tuple[NDArray[np.float64], list[float]]:
        """Return log p(x) of each image and the accuracy, if there is one."""
        labels = images.labels if name in LABELLED else None
        if labels is None or not isinstance(model, ClassConditionalModel):
            return log_probs(model, images, self.batch_size, device), []
        with model.evaluating():
            of_classes = _values(model, "class_log_probs", images, self.batch_size, device)
        mixture: NDArray[np.float64] = logsumexp(of_classes, axis=1) - math.log(model.classes)
        return mixture, [accuracy(of_classes, labels)]


def _aurocs(kind: str, values: Mapping[str, NDArray[np.float64]]) -> dict[str, float]:
    """Return {kind/SET: AUROC} of minus the values as a score, SET (anomalous) against `test` (normal)."""
    normal = values["test"]
    result = {}
    for name, anomalous in values.items():
        scores = -np.concatenate((normal, anomalous))
        if name != "test" and np.isfinite(scores).all():
            labels = np.repeat((0, 1), (len(normal), len(anomalous)))
            result[f"{kind}/{name}"] = float(roc_auc_score(labels, scores))
    return result
