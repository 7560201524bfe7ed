"""Model families by name, loaded when asked for, and models read back from runs."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, cast

import torch
from torch import Tensor

from invglow.checkpoints import CONFIG, load_weights
from invglow.reading import load_tensors, require_finite
from invglow.sections import OBJECT, TEXT, read_section
from invglow.settings import settings_from
from invglow.written_settings import read_settings
from models.base import GenerativeModel, MissingPackageError

__all__ = ["FAMILIES", "Family", "evaluation_settings", "family", "load_model", "prepare", "with_classes"]

# Name of a family -> module with the functions of `Family`.
FAMILIES = {name: f"models.{name}.family" for name in ("glow", "vae", "pixelcnn", "diffusion")}


class Family(Protocol):
    """What the module of a family offers: this, and where it needs them the functions below.

    - `prepare(model, images)`: set up a fresh model from a first batch of images (see `prepare`)
    - `condition(model, classes)`: copy a model so that it has a density for each class (see `with_classes`)

    Attributes:
        CONFIG: dataclass of the settings, with `to_json`; `image_shape` among its fields.
        EVALUATION_SETTINGS: names of those that change what `log_prob` evaluates, but no weight.
    """

    CONFIG: type[Any]
    EVALUATION_SETTINGS: tuple[str, ...]

    def build(self, settings: Mapping[str, Any]) -> GenerativeModel:
        """Build a fresh model from JSON-able settings, among them `image_shape`.

        Raises:
            ValueError: a setting is unknown, missing or wrong.
        """


def family(name: str) -> Family:
    """Import and return the family called `name`.

    Raises:
        ValueError: if there is none of that name.
    """
    if name not in FAMILIES:
        raise ValueError(f"Unknown model family {name!r}; known are {', '.join(FAMILIES)}.")
    return cast(Family, importlib.import_module(FAMILIES[name]))


def load_model(
    run: Path | str,
    device: torch.device | str = "cpu",
    evaluation: Mapping[str, Any] | None = None,
) -> GenerativeModel:
    """Read the newest, verified weights of a run and return its model, ready for evaluation.

    Args:
        run: a run folder.
        device: where to put the model.
        evaluation: settings to take instead of the run's own, from `evaluation_settings`.

    Raises:
        FileNotFoundError: if `run` is not a run folder or was not trained yet.
        ValueError: if a file is damaged, or the weights do not fit the configuration or are not finite.
    """
    run = Path(run)
    model = _model_of(run, evaluation or {})
    weights = load_weights(run)
    try:
        load_tensors(model, weights)
    except ValueError as error:
        raise ValueError(f"The weights in {run} do not fit its configuration: {error}") from error
    require_finite(model.state_dict(), f"The weights in {run}")
    return model.to(device).eval()


def evaluation_settings(run: Path, written: Sequence[str]) -> dict[str, Any]:
    """Return {name: value}, by name, of settings to evaluate a trained run with, written as NAME=VALUE.

    Raises:
        FileNotFoundError: if `run` is not a run folder.
        ValueError: a setting is not among those that the run's family can change after training, or its
            value is wrong.
    """
    spec = read_section(run, "model", family=TEXT, settings=OBJECT)
    kind, allowed = family(spec["family"]).CONFIG, family(spec["family"]).EVALUATION_SETTINGS
    for text in written:
        name = text.partition("=")[0]
        if name not in allowed:
            may = f"{', '.join(allowed)} may be changed" if allowed else "nothing can be changed"
            raise ValueError(f"Of {run}, a trained {spec['family']}, {may} for an evaluation, not {name!r}.")
    found = dict(sorted(read_settings(kind, written).items()))
    settings_from(kind, {**spec["settings"], **found})
    return found


def prepare(family_name: str, model: GenerativeModel, images: Tensor) -> None:
    """Set up a fresh model from a first batch of images, (B, C, H, W), where its family does so."""
    function = getattr(family(family_name), "prepare", None)
    if function is not None:
        function(model, images)


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


def _model_of(run: Path, evaluation: Mapping[str, Any]) -> GenerativeModel:
    """Build a fresh model as the configuration of a run says, but for these settings."""
    spec = read_section(run, "model", family=TEXT, settings=OBJECT)
    try:
        return family(spec["family"]).build({**spec["settings"], **evaluation})
    except MissingPackageError:
        raise
    except ValueError as error:
        raise ValueError(f'{run / CONFIG} describes no model in "model": {error}') from error
