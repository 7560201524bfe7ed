"""Model families by name, loaded when asked for, and models read back from runs."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, cast

import torch
from torch import Tensor

from invglow.checkpoints import CONFIG, load_weights
from invglow.reading import load_tensors
from invglow.sections import OBJECT, TEXT, read_section
from models.base import GenerativeModel

__all__ = ["FAMILIES", "Family", "family", "load_model", "with_classes"]

# Name of a family -> module with the functions of `Family`.
FAMILIES = {name: f"models.{name}.family" for name in ("glow", "vae", "pixelcnn", "diffusion")}


class Family(Protocol):
    """What the module of a family offers.

    Attributes:
        CONFIG: dataclass of the settings, with `to_json`; `image_shape` among its fields.
    """

    CONFIG: type[Any]

    def build(self, settings: Mapping[str, Any]) -> GenerativeModel:
        """Build a fresh model from JSON-able settings, among them `image_shape`.

        Raises:
            ValueError: a setting is unknown, missing or wrong.
        """

    def prepare(self, model: GenerativeModel, images: Tensor) -> None:
        """Set up a fresh model from a first batch of images, where the family needs it."""


def family(name: str) -> Family:
    """Import and return the family called `name`.

    Raises:
        ValueError: if there is none of that name.
    """
    if name not in FAMILIES:
        raise ValueError(f"Unknown model family {name!r}; known are {', '.join(FAMILIES)}.")
    return cast(Family, importlib.import_module(FAMILIES[name]))


def load_model(run: Path, device: torch.device) -> GenerativeModel:
    """Read the newest, verified weights of a run and return its model, ready for evaluation.

    Args:
        run: a run folder.
        device: where to put the model.

    Raises:
        FileNotFoundError: if `run` is not a run folder or was not trained yet.
        ValueError: if a file is damaged, or the weights do not fit the configuration.
    """
    model = _model_of(run)
    weights = load_weights(run)
    try:
        load_tensors(model, weights)
    except ValueError as error:
        raise ValueError(f"The weights in {run} do not fit its configuration: {error}") from error
    return model.to(device).eval()


def with_classes(family_name: str, model: GenerativeModel, classes: int) -> GenerativeModel:
    """Return a copy of a model that has a density for each class, where its family offers that.

    Raises:
        ValueError: if it does not, or the model is of a variant without.
    """
    condition = getattr(family(family_name), "condition", None)
    if condition is None:
        raise ValueError(f"Models of the family {family_name!r} have no classes: fine-tune without labels.")
    found: GenerativeModel = condition(model, classes)
    return found


def _model_of(run: Path) -> GenerativeModel:
    """Build a fresh model as the configuration of a run says."""
    spec = read_section(run, "model", family=TEXT, settings=OBJECT)
    try:
        return family(spec["family"]).build(spec["settings"])
    except ValueError as error:
        raise ValueError(f'{run / CONFIG} describes no model in "model": {error}') from error
