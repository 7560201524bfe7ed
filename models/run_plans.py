"""What defines a training run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from invglow.data.image_set import ImageSet
from invglow.training import TrainingConfig
from models.objectives import LabelPlan, OutlierPlan

__all__ = ["Origin", "RunPlan"]


@dataclass(frozen=True)
class Origin:
    """The run that a new run starts from.

    Attributes:
        run: its folder.
        relation: "base" when it becomes the general model of the new run, "continue" when the new run
            only trains it on.
    """

    run: Path
    relation: Literal["base", "continue"]

    def __post_init__(self) -> None:
        object.__setattr__(self, "run", Path(self.run))  # a text, too, as one writes it in a notebook


@dataclass(frozen=True)
class RunPlan:
    """Everything that defines a training run.

    Attributes:
        run: its folder, a path or a text.
        images: what to train on.
        training: how to train.
        model: `family` and `settings` of a fresh model; None takes the model of `origin`.
        origin: run to start from, if any.
        outliers: outlier loss, if any; the general model is then `origin`, a base.
        labels: label loss, if any; the same holds.

    Raises:
        ValueError: the images are no `ImageSet`, or the model is not planned as that.
    """

    run: Path
    images: ImageSet
    training: TrainingConfig
    model: Mapping[str, Any] | None = None
    origin: Origin | None = None
    outliers: OutlierPlan | None = None
    labels: LabelPlan | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "run", Path(self.run))
        _require_images(self.images)
        _require_model(self.model)


def _require_images(images: object) -> None:
    if not isinstance(images, ImageSet):
        raise ValueError(
            "The images to train on must be an ImageSet, as ImageSet('mine', 'train', array) is, but are a "
            f"{type(images).__name__}."
        )


def _require_model(model: object) -> None:
    if model is None:
        return
    if not isinstance(model, Mapping) or set(model) != {"family", "settings"}:
        raise ValueError(
            'A model is planned as {"family": NAME, "settings": {...}}, with settings such as '
            f"GlowConfig(...).to_json(), but got a {type(model).__name__}."
        )
    if not isinstance(model["settings"], Mapping):
        raise ValueError(
            f"The settings of a model must be plain data, but are a {type(model['settings']).__name__}: call "
            "its to_json()."
        )
