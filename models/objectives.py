"""What a run minimises besides the likelihood: plans of outlier and label losses, and what they need."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from invglow.data.batches import TrainingBatches
from invglow.data.image_set import ImageSet
from invglow.training.hierarchy import AgainstGeneral, LabelTerm, OutlierTerm
from models.base import GenerativeModel

__all__ = ["LabelPlan", "OutlierPlan", "class_count", "objective_of"]


@dataclass(frozen=True)
class OutlierPlan:
    """An outlier loss: see `invglow.training.hierarchy.OutlierTerm`.

    Attributes:
        images: the general set.
        loss: `class` or `margin`.
        weight: of the loss.
        temperature: of `class`, in nats.
    """

    images: ImageSet
    loss: Literal["class", "margin"] = "class"
    weight: float = 6000.0
    temperature: float = 1000.0

    def __post_init__(self) -> None:
        if self.loss not in ("class", "margin"):
            raise ValueError(f"The outlier loss must be class or margin, got {self.loss!r}.")
        _require_positive("outlier loss", self.weight, self.temperature)

    def settings(self) -> dict[str, Any]:
        """Return what a run records, besides the images."""
        temperature = self.temperature if self.loss == "class" else None
        return {"loss": self.loss, "weight": self.weight, "temperature": temperature}


@dataclass(frozen=True)
class LabelPlan:
    """A label loss: see `invglow.training.hierarchy.LabelTerm`.

    Attributes:
        classes: number of classes.
        weight: of the loss.
        temperature: in nats.
    """

    classes: int
    weight: float
    temperature: float = 1000.0

    def __post_init__(self) -> None:
        _require_positive("label loss", self.weight, self.temperature)

    def settings(self, images: ImageSet) -> dict[str, Any]:
        """Return what a run records; the labels are those of its images."""
        digest = hashlib.sha256(_labels_of(images).tobytes()).hexdigest()
        return {
            "classes": self.classes,
            "weight": self.weight,
            "temperature": self.temperature,
            "sha256": digest,
        }


def objective_of(
    general: GenerativeModel,
    batches: TrainingBatches,
    outlier_batches: TrainingBatches | None = None,
    *,
    outliers: OutlierPlan | None = None,
    labels: LabelPlan | None = None,
) -> AgainstGeneral:
    """Return the losses of plans.

    Args:
        general: the model to compare with, on the device of the training; put into evaluation mode.
        batches: the images to learn.
        outlier_batches: of the general set, where there is an outlier loss.
        outliers: the outlier loss, if any.
        labels: the label loss, if any.

    Raises:
        ValueError: the model's `log_prob` is no likelihood, so that there is no ratio to compare by.
    """
    if not general.measures_likelihood:
        raise ValueError(
            "Outlier and label losses compare log-likelihoods in nats, but log p of this model is a "
            f"surrogate ({general.evaluation}): start from a run whose evaluation is a "
            "likelihood or a bound on one."
        )
    outlier_term = label_term = None
    if outliers is not None and outlier_batches is not None:
        outlier_term = OutlierTerm(outlier_batches, outliers.loss, outliers.weight, outliers.temperature)
    if labels is not None:
        label_term = LabelTerm(batches, labels.weight, labels.temperature)
    frozen = general.eval().requires_grad_(requires_grad=False)
    return AgainstGeneral(frozen, outlier_term, label_term)


def class_count(images: ImageSet) -> int:
    """Return how many classes the labels of a set name: 0, 1, 2, ..., each of which must occur.

    Raises:
        ValueError: if there are no labels, or they are anything else.
    """
    labels = _labels_of(images)
    low, high, found = int(labels.min()), int(labels.max()), np.unique(labels)
    name = f"{images.name} ({images.split})"
    if low < 0:
        raise ValueError(f"The labels of {name} must be 0 or more, got {low}: number the classes from 0.")
    if len(found) <= high:
        missing = next(label for label, given in enumerate([*found.tolist(), high + 1]) if label != given)
        raise ValueError(
            f"The labels of {name} go up to {high}, but none of its {len(images)} images has label "
            f"{missing}: number the classes without a gap, or take more images."
        )
    if len(found) < 2:
        raise ValueError(f"The labels of {name} name one class only: train without labels.")
    return len(found)


def _labels_of(images: ImageSet) -> NDArray[np.int64]:
    if images.labels is None:
        raise ValueError(
            f"{images.name} ({images.split}) has no labels to learn from: choose a set that has, put "
            f"NAME_labels.npy beside the array, or train without labels."
        )
    return images.labels


def _require_positive(what: str, weight: float, temperature: float) -> None:
    for name, value in (("weight", weight), ("temperature", temperature)):
        if not (math.isfinite(value) and value > 0):
            raise ValueError(f"The {name} of the {what} must be a positive number, got {value}.")
