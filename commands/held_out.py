"""The in-distribution images that detection is calibrated on: held out, and enough of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from commands.common import images_for_run
from commands.computing import Computation, RunModel

if TYPE_CHECKING:
    from pathlib import Path

    from invglow.data.image_set import ImageSet

__all__ = ["held_out_images", "require_enough", "require_other_images"]

# So many images must be there at least for methods to learn from one half.
LEAST_IMAGES = 20


def held_out_images(
    computation: Computation, specific: RunModel, models: Iterable[RunModel], spec: str | None
) -> ImageSet:
    """Return the images to calibrate on.

    Args:
        computation: says which split, and how many.
        specific: run whose own set is taken by default.
        models: runs that must not have been trained on these images.
        spec: the set, if another was named.

    Raises:
        ValueError: the set has no held-out part, or a model was trained on these images.
        FileNotFoundError: a set that was named is not there.
    """
    images = _own_images(computation, specific) if spec is None else computation.images(specific, spec)
    for model in models:
        _require_not_trained_on(images, computation, model)
    return images


def require_enough(images: ImageSet, rate: float) -> None:
    """Refuse a rate that is too low to be told apart from none with so few images.

    Raises:
        ValueError: saying how many are needed.
    """
    from anomaly_methods.calibration import least_calibration

    total, least = len(images), least_calibration(rate)
    held_out = total - total // 2
    if total < LEAST_IMAGES:
        raise ValueError(
            f"Calibration needs at least {LEAST_IMAGES} images, and {2 * least - 1} for a rate of {rate:g}, "
            f"but {images.name} ({images.split}) has {total}: name more with --calibrate."
        )
    if held_out < least:
        raise ValueError(
            f"A rate of {rate:g} needs {least} images that calibrate, 1/rate - 1, and so {2 * least - 1} in "
            f"all, since methods learn from the other half, but {images.name} ({images.split}) has {total}: "
            f"name more with --calibrate, or ask for a rate of at least 1/{held_out + 1}."
        )


def require_other_images(images: ImageSet, reference: ImageSet) -> None:
    """Refuse to judge the very images that detection is calibrated on.

    Raises:
        ValueError: they are the same.
    """
    if len(images) == len(reference) and images.sha256() == reference.sha256():
        raise ValueError(
            f"{images.name} ({images.split}) holds the very images that calibrate, and an image cannot be "
            "its own reference: name other images, or others with --calibrate."
        )


def _own_images(computation: Computation, specific: RunModel) -> ImageSet:
    data = _trained_on(specific)
    if data is None:
        raise ValueError(
            f"What {specific.folder} was trained on is not known, since it was imported: name images that it "
            "was not trained on with --calibrate."
        )
    spec = data["name"]
    try:
        return computation.images(specific, spec)
    except (ValueError, FileNotFoundError) as error:
        raise ValueError(
            f"Calibration needs images of {spec} that {specific.folder} was not trained on, which could not "
            f"be read; name some with --calibrate. {error}"
        ) from error


def _require_not_trained_on(images: ImageSet, computation: Computation, model: RunModel) -> None:
    data = _trained_on(model)
    if data is None:
        return
    named = (images.name, images.split) == (data["name"], data["split"])
    begins_so = _begins_with_training_images(images, data)
    if named or begins_so or _has_one_split(images, computation, model.folder, data):
        raise ValueError(
            f"{model.folder} was trained on images of {images.name} ({images.split}), which say nothing "
            "about new ones: name held-out images with --calibrate, or their split with --calibrate-split."
        )


def _begins_with_training_images(images: ImageSet, data: dict[str, Any]) -> bool:
    first = images.limited(data["images"])
    return bool(len(first) == data["images"] and first.sha256() == data["sha256"])


def _has_one_split(images: ImageSet, computation: Computation, run: Path, data: dict[str, Any]) -> bool:
    """Whether the run's own set is the same in all splits, so that none of it is held out."""
    if images.name != data["name"]:
        return False
    try:
        training = images_for_run(run, images.name, data["split"], grey=computation.grey)
    except (ValueError, FileNotFoundError):  # no longer there, so these are others
        return False
    same: bool = len(training) >= len(images) and training.limited(len(images)).sha256() == images.sha256()
    return same


def _trained_on(model: RunModel) -> dict[str, Any] | None:
    """Return what a run says about the images that it was trained on, or None where it was imported."""
    from invglow.sections import TEXT, WHOLE, read_section

    if read_section(model.folder, "data").get("name", ...) is None:
        return None
    return read_section(model.folder, "data", name=TEXT, split=TEXT, images=WHOLE, sha256=TEXT)
