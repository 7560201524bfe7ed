"""Training a specific model against the general one: outlier loss and label loss."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from invglow.data.batches import TrainingBatches
from invglow.training.likelihood_model import ClassConditionalModel, LikelihoodModel
from invglow.training.losses import (
    margin_losses,
    negative_log_likelihood,
    outlier_losses,
    wrong_class_losses,
)
from invglow.training.objective import LIKELIHOOD, Batch, Loss, Objective

__all__ = ["AgainstGeneral", "LabelTerm", "OutlierTerm"]


@dataclass(frozen=True)
class OutlierTerm:
    """A loss on images of the general set.

    Attributes:
        batches: of the general set, as many images as those to learn.
        loss: `class` (`outlier_losses`) or `margin` (`margin_losses`, by as many nats as dimensions).
        weight: what the mean over the batch is multiplied by.
        temperature: of `class`, in nats.
    """

    batches: TrainingBatches
    loss: Literal["class", "margin"]
    weight: float
    temperature: float = 1000.0

    def losses(self, outside: Tensor, inside: Tensor, reference: Tensor) -> Tensor:
        """Return the loss of each general image, (B,), not weighted.

        Args:
            outside: log p_specific of the general images, (B,).
            inside: log p_specific of the images to learn, (B,).
            reference: log p_general of the general images, (B,).
        """
        if self.loss == "class":
            return outlier_losses(outside, reference, self.temperature)
        return margin_losses(outside, inside, math.prod(self.batches.images.image_shape))


@dataclass(frozen=True)
class LabelTerm:
    """The likelihood is that of the labelled class, and all other classes are wrong (`wrong_class_losses`).

    Attributes:
        batches: the images to learn, for their labels.
        weight: what the mean over the batch is multiplied by.
        temperature: in nats.
    """

    batches: TrainingBatches
    weight: float
    temperature: float = 1000.0


@dataclass(frozen=True)
class AgainstGeneral(Objective):
    """Maximum likelihood plus an outlier loss, a label loss, or both.

    Each loss is the sum over the images of the batch divided by their number. General images whose
    log-probability is not finite under either model are left out, as if their loss were zero, and so is the
    label loss of images whose log p_general is not finite: what several processes sum up is then what one
    would. Where log p_specific of an image to learn is not finite there is nothing to go on from: the step
    is skipped like any other.

    Attributes:
        general: the frozen model, on the device of the batches; evaluated without gradient.
        outliers: the outlier loss, if any.
        labels: the label loss, if any; the model must then be a `ClassConditionalModel`.
    """

    general: LikelihoodModel
    outliers: OutlierTerm | None = None
    labels: LabelTerm | None = None

    def batch(self, step: int, x: Tensor) -> Batch:
        labels = self.labels.batches.labels(step) if self.labels else None
        return Batch(x, labels, self.outliers.batches(step) if self.outliers else None)

    def loss(self, model: LikelihoodModel, batch: Batch) -> Loss:
        reference = self._outlier_reference(batch)
        inside, outside, kept = _class_log_probs(model, batch, reference.isfinite())
        parts = {LIKELIHOOD: self._likelihood(inside, batch)}
        left_out = (~kept).sum()
        if self.outliers is not None:
            losses = self.outliers.losses(_mixture(outside), _mixture(inside)[kept], reference[kept])
            parts["outlier"] = self.outliers.weight * losses.sum() / len(inside)
        if self.labels is not None and batch.labels is not None:
            label_reference = self._general_log_prob(batch.images)
            usable = label_reference.isfinite()
            losses = wrong_class_losses(
                inside[usable], batch.labels[usable], label_reference[usable], self.labels.temperature
            )
            parts["label"] = self.labels.weight * losses.sum() / len(inside)
            left_out = left_out + (~usable).sum()
        return Loss(parts, left_out)

    def _likelihood(self, inside: Tensor, batch: Batch) -> Tensor:
        """Return the mean of -log p(x|y) where labels are learned, else of -log p(x)."""
        if self.labels is None or batch.labels is None:
            return negative_log_likelihood(_mixture(inside))
        return negative_log_likelihood(inside.gather(1, batch.labels[:, None]))

    def _outlier_reference(self, batch: Batch) -> Tensor:
        """Return log p_general of the general images, (B,); zeros where the loss does not need it."""
        if batch.outliers is None or self.outliers is None:
            return batch.images.new_zeros(0)
        if self.outliers.loss == "margin":
            return batch.images.new_zeros(len(batch.outliers))
        return self._general_log_prob(batch.outliers)

    @torch.no_grad()
    def _general_log_prob(self, x: Tensor) -> Tensor:
        return self.general.log_prob(x)


def _class_log_probs(model: LikelihoodModel, batch: Batch, usable: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Evaluate log p(x|y) of the images (B, C) and of the general images (K, C) for which it is finite.

    A model without classes has one. The images pass through the model together.

    Args:
        model: to be trained.
        batch: images and general images.
        usable: which general images to evaluate, (B,) or (0,).

    Returns:
        Both log-probabilities, and which K general images the second has.
    """
    inside = len(batch.images)
    while True:
        found = _of_classes(model, _together(batch, usable))
        finite = found[inside:].detach().isfinite().all(dim=1)
        if finite.all():
            return found[:inside], found[inside:], usable
        # Leaving them out of the sum is not enough: zero times an infinite derivative is not zero.
        usable = usable.masked_scatter(usable, finite)


def _together(batch: Batch, usable: Tensor) -> Tensor:
    if batch.outliers is None:
        return batch.images
    # Taking rows would change how the images lie in memory, and slow down what follows.
    outliers = batch.outliers if usable.all() else batch.outliers[usable]
    return torch.cat((batch.images, outliers))


def _of_classes(model: LikelihoodModel, x: Tensor) -> Tensor:
    if isinstance(model, ClassConditionalModel):
        return model.class_log_probs(x)
    return model.log_prob(x)[:, None]


def _mixture(class_log_probs: Tensor) -> Tensor:
    """Return log p(x), (B,), of classes that are equally likely; of one class, that one."""
    return class_log_probs.logsumexp(dim=1) - math.log(class_log_probs.shape[1])
