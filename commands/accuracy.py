"""What `main.py statistics` says about the classes that a model takes images for."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from anomaly_methods.statistics import Statistics
    from invglow.data.image_set import ImageSet

__all__ = ["accuracy_sentence"]


def accuracy_sentence(statistics: Statistics, images: ImageSet, learned: str | None) -> str:
    """Say how many images have their own label as the most likely class, or why there is no such number.

    Args:
        statistics: of the kind `classes`, of these images.
        images: for their labels.
        learned: name of the set whose labels the model learned; None where that is not known.
    """
    import numpy as np

    from invglow.training.evaluation import accuracy

    labels, classes = images.labels, len(statistics.values)
    if labels is None:
        return f"no accuracy, since {images.name} ({images.split}) has no labels"
    if statistics.meta.group_size != 1:
        return "no accuracy, since images are judged in groups"
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= classes:
        return f"no accuracy, since labels go from {low} to {high} and classes from 0 to {classes - 1}"
    values = np.stack([statistics.value(f"log_prob.class{y}") for y in range(classes)], axis=1)
    found = f"accuracy {accuracy(values, labels[statistics.index]):.4f}: share of images whose label has the "
    found += "highest log p(x|y)"
    if images.name == learned:
        return found
    return f"{found}, if labels mean the same as {f'those of {learned}' if learned else 'in its training'}"
