"""Log-likelihoods of images given each class, of models that have classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from anomaly_methods.extractors.base import Extractor, require_shape
from models.base import ClassConditionalModel, GenerativeModel, said_of

__all__ = ["ClassExtractor"]


class ClassExtractor(Extractor):
    """`log_prob.classY` = log p(x|y) in nats for each class y = 0, 1, ...; summed over the images of a group.

    The class with the highest value is the one that the model takes the image for, since classes are equally
    likely; the logsumexp over the classes minus log C is log p(x).

    References:
        Schirrmeister et al. (2020), class-conditional Glow.
    """

    name: ClassVar[str] = "classes"
    version: ClassVar[int] = 1

    def __call__(self, model: GenerativeModel, x: Tensor) -> dict[str, Tensor]:
        conditional = _with_classes(model)
        with said_of(model, "class_log_probs", x):
            values = conditional.class_log_probs(x)
        require_shape(values, (len(x), conditional.classes), "class_log_probs")
        groups = values.detach().cpu().to(torch.float64).unflatten(0, (-1, self.group_size))
        return {f"log_prob.class{y}": column for y, column in enumerate(groups.sum(dim=1).unbind(dim=1))}

    def details(self, model: GenerativeModel) -> Mapping[str, Any]:
        """Return the number of classes."""
        return {"classes": _with_classes(model).classes}


def _with_classes(model: GenerativeModel) -> ClassConditionalModel:
    if not isinstance(model, ClassConditionalModel):
        raise ValueError(f"{type(model).__name__} has no classes: train it with labels (--labels).")
    return model
