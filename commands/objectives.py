"""Options of `main.py train` that add losses to the likelihood, and the plans that they ask for."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from commands.common import images_for_run, images_of_run

if TYPE_CHECKING:
    from invglow.data.image_set import ImageSet
    from models.objectives import LabelPlan, OutlierPlan
    from models.runs import Origin

__all__ = ["add_objective", "check_labels", "label_plan", "outlier_plan"]

# The margin loss is counted in nats already; the cross-entropy is at most log 2 where both models agree.
OUTLIER_WEIGHTS = {"class": 6000.0, "margin": 1.0}
TEMPERATURE = 1000.0


def add_objective(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    group = parser.add_argument_group("losses besides the likelihood (with --base; see docs/training.md)")
    group.add_argument(
        "--outlier-loss",
        choices=tuple(OUTLIER_WEIGHTS),
        help="learn that images of the general set do not belong. class: tell them from the model's own by "
        "the likelihood ratio; margin: make each less likely, by a nat per dimension, than an image to learn",
    )
    group.add_argument(
        "--outlier-data", metavar="NAME", help="the general set (default: what RUN of --base was trained on)"
    )
    group.add_argument("--outlier-weight", type=float, metavar="X", help="weight (default: 6000; margin: 1)")
    group.add_argument(
        "--outlier-temperature",
        type=float,
        metavar="T",
        help="nats by which the log-likelihood ratio is divided, of the label loss, too (default: 1000)",
    )
    group.add_argument(
        "--labels",
        action="store_true",
        help="learn a density for each class, and that the labelled class is the right one",
    )
    group.add_argument(
        "--label-weight",
        type=float,
        metavar="X",
        help="weight (default: T over the number of wrong classes, so that all of them together never pull "
        "harder than the right one)",
    )


def outlier_plan(
    arguments: argparse.Namespace, origin: Origin | None, general_images: ImageSet | None
) -> OutlierPlan | None:
    """Return the outlier loss that was asked for, if any.

    Args:
        arguments: of the command.
        origin: the run to start from.
        general_images: what the base was trained on, where that is loaded already.

    Raises:
        ValueError: there is no general model or set, or an option does not belong to the loss.
        FileNotFoundError: the general set is missing.
    """
    from models.objectives import OutlierPlan

    loss = arguments.outlier_loss
    if loss is None:
        _refuse(arguments, "outlier_data", "outlier_weight", reason="needs --outlier-loss")
        if not arguments.labels:
            _refuse(arguments, "outlier_temperature", reason="needs --outlier-loss or --labels")
        return None
    if loss == "margin" and not arguments.labels:
        _refuse(arguments, "outlier_temperature", reason="is for --outlier-loss class or --labels")
    base = _base(
        origin, "--outlier-loss", "; the general set is its training set, unless --outlier-data names another"
    )
    images = general_images
    if arguments.outlier_data is not None:
        images = images_for_run(base.run, arguments.outlier_data, "train", download=arguments.download)
    elif images is None:
        images = _general_set(base)
    weight = _or(arguments.outlier_weight, OUTLIER_WEIGHTS[loss])
    return OutlierPlan(images, loss, weight, _or(arguments.outlier_temperature, TEMPERATURE))


def label_plan(arguments: argparse.Namespace, origin: Origin | None, images: ImageSet) -> LabelPlan | None:
    """Return the label loss that was asked for, if any.

    Raises:
        ValueError: there is no general model, or labels are missing or out of range.
    """
    from models.objectives import LabelPlan, class_count

    if not arguments.labels:
        _refuse(arguments, "label_weight", reason="needs --labels")
        return None
    _base(origin, "--labels")
    classes, temperature = class_count(images), _or(arguments.outlier_temperature, TEMPERATURE)
    return LabelPlan(classes, _or(arguments.label_weight, temperature / (classes - 1)), temperature)


def check_labels(images: ImageSet, classes: int) -> None:
    """Raise a ValueError if labels of other images name other classes than those that are learned."""
    if images.labels is None:
        return
    low, high = int(images.labels.min()), int(images.labels.max())
    if low < 0 or high >= classes:
        raise ValueError(
            f"The labels of {images.name} ({images.split}) go from {low} to {high}, but those to learn from "
            f"0 to {classes - 1}: they must be of the same classes."
        )


def _general_set(base: Origin) -> ImageSet:
    try:
        images: ImageSet = images_of_run(base.run)
        return images
    except (ValueError, OSError) as error:
        raise ValueError(
            f"An outlier loss without a general set: what {base.run} was trained on is missing ({error}) "
            f"Provide it, or name another set with --outlier-data."
        ) from error


def _base(origin: Origin | None, option: str, more: str = "") -> Origin:
    if origin is None or origin.relation != "base":
        raise ValueError(f"{option} needs a general model to compare with: name it with --base RUN{more}.")
    return origin


def _refuse(arguments: argparse.Namespace, *names: str, reason: str) -> None:
    for name in names:
        if getattr(arguments, name) is not None:
            raise ValueError(f"--{name.replace('_', '-')} {reason}: leave it out.")


def _or(value: Any, default: float) -> float:
    return default if value is None else float(value)
