"""From the arguments of `main.py train` to plans of runs and to what is watched while they train."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from commands.common import existing_run, images_for_run, images_of_run, load_images, print_once
from commands.model_options import model_spec, refuse_model
from commands.objectives import check_labels, label_plan, outlier_plan

if TYPE_CHECKING:
    import torch

    from invglow.data.image_set import ImageSet
    from invglow.training import Evaluation, TrainingConfig
    from models.runs import Origin, RunPlan

__all__ = ["evaluation_of", "plans_of"]


def plans_of(arguments: argparse.Namespace) -> list[RunPlan]:
    """Return the runs to train: the one that is asked for, then its general model, equally trained.

    Raises:
        ValueError: a setting is out of range, or images do not fit the model.
        FileNotFoundError: a run or an image set is missing.
    """
    from models.runs import EQUALLY_TRAINED, Origin, RunPlan

    folder, origin = Path(arguments.run).expanduser(), _origin(arguments)
    if origin is not None:
        refuse_model(arguments)
    images = _training_images(arguments, origin)
    training = _training_config(arguments, images)
    model = None if origin else model_spec(arguments, images)
    general_images = _general_images(arguments, origin)
    outliers = outlier_plan(arguments, origin, general_images)
    labels = label_plan(arguments, origin, images)
    plans = [RunPlan(folder, images, training, model, origin, outliers, labels)]
    if general_images is not None and origin is not None:
        again = Origin(origin.run, "continue")
        plans.append(RunPlan(folder / EQUALLY_TRAINED, general_images, training, origin=again))
    return plans


def _general_images(arguments: argparse.Namespace, origin: Origin | None) -> ImageSet | None:
    """Return what the general model is to be trained on, or None where it is to stay as it is."""
    fine_tunes = origin is not None and origin.relation == "base"
    if arguments.equal_training and not fine_tunes:
        raise ValueError("--equal-training needs a general model to train on: name it with --base RUN.")
    if not fine_tunes or arguments.equal_training is False or origin is None:
        return None
    try:
        images: ImageSet = images_of_run(origin.run)
    except (ValueError, OSError) as error:
        raise ValueError(
            f"The general model cannot be trained on, too, since its images are missing ({error}) "
            f"Provide them, or leave this out with --no-equal-training."
        ) from error
    return images


def _origin(arguments: argparse.Namespace) -> Origin | None:
    from models.runs import Origin

    if arguments.base:
        return Origin(existing_run(arguments.base), "base")
    return Origin(existing_run(arguments.continued), "continue") if arguments.continued else None


def _training_images(arguments: argparse.Namespace, origin: Origin | None) -> ImageSet:
    if arguments.data is None:
        if origin is None or origin.relation == "base":
            raise ValueError("Say what to train on with --data NAME.")
        images: ImageSet = images_of_run(origin.run)
        return images
    if origin is None:
        size, grey = arguments.image_size, arguments.grey
        images = load_images(arguments.data, "train", image_size=size, grey=grey, download=arguments.download)
    else:
        images = images_for_run(
            origin.run, arguments.data, "train", grey=arguments.grey, download=arguments.download
        )
    return images if arguments.limit is None else images.limited(arguments.limit)


def _training_config(arguments: argparse.Namespace, images: ImageSet) -> TrainingConfig:
    from invglow.training import TrainingConfig

    steps = arguments.steps
    if steps is None:
        epochs = arguments.epochs if arguments.epochs is not None else 10
        # A batch size of zero is refused below, in a sentence.
        steps = -(-epochs * len(images) // max(1, arguments.batch_size))
    plain = arguments.no_augmentation
    return TrainingConfig(
        steps=steps,
        batch_size=arguments.batch_size,
        learning_rate=arguments.learning_rate,
        weight_decay=arguments.weight_decay,
        warmup_steps=arguments.warmup_steps,
        cooldown_fraction=arguments.cooldown_fraction,
        flip=False if plain else None,
        max_shift=0.0 if plain else None,
        evaluate_every=arguments.evaluate_every,
        checkpoint_every=arguments.checkpoint_every,
        seed=arguments.seed,
    )


def evaluation_of(arguments: argparse.Namespace, plan: RunPlan, device: torch.device) -> Evaluation:
    """Return what to watch while a plan is carried out: images it is trained on, test images, other sets.

    Raises:
        ValueError: images do not fit the model.
        FileNotFoundError: a set that was asked for is missing.
    """
    from invglow.training import Evaluation
    from models.registry import load_model

    sets = {"train": plan.images}
    try:
        sets["test"] = _watched(arguments, plan, plan.images.name)
    except (ValueError, FileNotFoundError) as error:  # a training set need not have a test split
        print_once(f"No test images are watched while training: {error}")
    for spec in arguments.evaluate_on:
        if spec != plan.images.name or "test" not in sets:
            sets[spec] = _watched(arguments, plan, spec)
    if plan.labels is None:  # whatever the labels name, it is not learned here
        sets = {name: replace(images, labels=None) for name, images in sets.items()}
    elif "test" in sets:
        check_labels(sets["test"], plan.labels.classes)
    fine_tunes = plan.origin is not None and plan.origin.relation == "base"
    general = load_model(plan.origin.run, device) if plan.origin and fine_tunes else None
    return Evaluation(sets, general, limit=arguments.evaluate_limit)


def _watched(arguments: argparse.Namespace, plan: RunPlan, spec: str) -> ImageSet:
    """Load test images to watch while training, of the shape that the model takes."""
    from invglow.data.preprocessing import check_image_shape

    shape, grey = plan.images.image_shape, arguments.grey or plan.images.grey
    images: ImageSet = load_images(spec, "test", image_size=shape[1], grey=grey, download=arguments.download)
    check_image_shape(images.image_shape, shape, name=spec)
    return images
