"""Which general model a command takes, which methods, and which statistics these need."""

from __future__ import annotations

from typing import TYPE_CHECKING

from commands.common import existing_run
from commands.computing import RunModel

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anomaly_methods.methods.base import AnomalyMethod
    from anomaly_methods.methods.sources import Source

__all__ = [
    "general_model",
    "kinds_of",
    "known_methods",
    "models_by_role",
    "needed_sources",
    "require_same_shape",
]


def general_model(specific: RunModel, name: str | None) -> RunModel | None:
    """Return the general model that was named, or else the best that the run knows of.

    Raises:
        ValueError: it is of images of another shape.
    """
    from models.runs import general_run_of

    if name is not None:
        named = RunModel(existing_run(name), specific.device, specific.written)
        require_same_shape(specific, named)
        return named
    folder = general_run_of(specific.folder)
    if folder is None:
        print("No general model is known for this run (train with --base, or name one with --general).")
        return None
    if folder.parent != specific.folder:
        print(f"General model: {folder}, which was not trained on as long as {specific.folder}.")
    return RunModel(folder, specific.device, specific.written)


def require_same_shape(run: RunModel, *others: RunModel) -> None:
    """Refuse models of images of another shape, whose likelihoods cannot be compared, before any is computed.

    Raises:
        ValueError: naming both runs and shapes.
    """
    from invglow.sections import SHAPE, read_section

    expected, *found = (
        "x".join(map(str, read_section(one.folder, "data", image_shape=SHAPE)["image_shape"]))
        for one in (run, *others)
    )
    for other, shape in zip(others, found, strict=True):
        if shape != expected:
            raise ValueError(
                f"{other.folder} is a model of images of {shape} (channels, height, width), {run.folder} of "
                f"{expected}, and their likelihoods cannot be compared: name a run of images of one shape."
            )


def models_by_role(specific: RunModel, general: RunModel | None) -> dict[str, RunModel]:
    """Return the models under the names of their roles."""
    return {"specific": specific} if general is None else {"specific": specific, "general": general}


def known_methods(names: Sequence[str] | None) -> list[AnomalyMethod]:
    """Look the methods up before anything is computed, so that a misspelt one costs no time."""
    from anomaly_methods.methods.registry import get_method

    return [get_method(name) for name in names or ()]


def needed_sources(methods: Sequence[AnomalyMethod], models: Mapping[str, RunModel]) -> list[Source]:
    """Return the statistics that the methods need; without methods, the likelihoods by every model."""
    from anomaly_methods.methods.sources import Source

    if not methods:
        return [Source(role, "likelihood") for role in models]
    wanted = {source: None for method in methods for source in method.sources.values()}
    return [source for source in wanted if source.role in models]


def kinds_of(method: AnomalyMethod) -> set[str]:
    """Return the kinds of statistics that a method needs."""
    return {source.kind for source in method.sources.values()}
