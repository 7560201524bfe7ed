"""Training a run: from a plan to a folder with configuration, provenance and checkpoints."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import ignite.distributed as idist
import numpy as np
import torch

from invglow.data.batches import TrainingBatches
from invglow.data.image_set import ImageSet
from invglow.data.preprocessing import check_image_shape
from invglow.training import Evaluation, Trainer, TrainingConfig, TrainingResult
from invglow.training.likelihood_model import ClassConditionalModel
from invglow.training.objective import MaximumLikelihood, Objective
from models.base import GenerativeModel
from models.general_runs import EQUALLY_TRAINED, general_run_of
from models.objectives import objective_of
from models.registry import family, load_model, prepare, with_classes
from models.run_configs import config_of, record
from models.run_plans import Origin, RunPlan

# Names the random numbers that batches of outliers are drawn with.
OUTLIERS = 1
# Largest shift of training images in the paper, as a fraction of the side.
PAPER_SHIFT = 0.1

__all__ = ["EQUALLY_TRAINED", "Origin", "RunPlan", "general_run_of", "train_run"]


def train_run(
    plan: RunPlan,
    device: torch.device | str,
    evaluation: Evaluation | None = None,
    log_every: int = 10,
    samples_every: int | None = None,
    *,
    progress: bool = False,
    clear: Callable[[], None] | None = None,
) -> TrainingResult:
    """Train a run to its end, going on where an earlier, interrupted call with the same plan stopped.

    A run that is at its end already is left as it is.

    Args:
        plan: what to train, on what, and in which folder.
        device: where to train.
        evaluation: what to watch while training; None evaluates nothing.
        log_every: steps between lines in the metrics.
        samples_every: steps between pictures of samples; None leaves it to the model (see `Trainer`).
        progress: show a bar, and print what evaluations find.
        clear: called once the plan is known to be one that can be carried out, to delete an earlier run.

    Raises:
        ValueError: if the images do not fit the model, or the folder holds a run with other settings.
        FileNotFoundError: if the run to start from is not there or was not trained yet.
    """
    device = torch.device(device)
    config = config_of(plan)
    model = _model_of(plan, config["model"], device)
    for images in (plan.images, *([plan.outliers.images] if plan.outliers else [])):
        check_image_shape(images.image_shape, model.image_shape, name=images.name)
    batches = _batches_of(plan.images, plan.training)
    trainer = Trainer(
        model=model,
        batches=batches,
        config=plan.training,
        run=plan.run,
        device=device,
        objective=_objective_of(plan, batches, device),
        prepare=None if plan.origin else lambda: _prepare(model, config["model"]["family"], plan, device),
        evaluation=evaluation,
        log_every=log_every,
        samples_every=samples_every,
        progress=progress,
    )
    # Only a plan that can be carried out is recorded, and takes the place of what was there.
    if clear is not None:
        clear()
    record(plan.run, config)
    return trainer.train()


def _model_of(plan: RunPlan, spec: Mapping[str, Any], device: torch.device) -> GenerativeModel:
    if plan.origin is not None:
        model = load_model(plan.origin.run, device)
        if plan.labels is not None and not isinstance(model, ClassConditionalModel):
            model = with_classes(spec["family"], model, plan.labels.classes)
        return model.train()
    # The seed must not leak into, nor depend on, the caller's global random state.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(plan.training.seed)
        return family(spec["family"]).build(spec["settings"]).to(device)


def _objective_of(plan: RunPlan, batches: TrainingBatches, device: torch.device) -> Objective:
    if plan.outliers is None and plan.labels is None:
        return MaximumLikelihood()
    if plan.origin is None or plan.origin.relation != "base":
        raise ValueError("Outlier and label losses need a general model to compare with, as the base.")
    outliers = _batches_of(plan.outliers.images, plan.training, OUTLIERS) if plan.outliers else None
    general = load_model(plan.origin.run, device)
    return objective_of(general, batches, outliers, outliers=plan.outliers, labels=plan.labels)


def _batches_of(images: ImageSet, training: TrainingConfig, *stream: int) -> TrainingBatches:
    """Return the batches of a training; a `stream` of their own has seeds of its own."""
    flip, max_shift = training.flip, training.max_shift
    seeds = np.random.SeedSequence((training.seed, *stream)).generate_state(1)
    return TrainingBatches(
        images,
        batch_size=training.batch_size,
        seed=int(seeds[0]) if stream else training.seed,
        flip=flip,
        max_shift=max_shift if max_shift is not None else PAPER_SHIFT * images.flips,
        rank=idist.get_rank(),
        world_size=idist.get_world_size(),
    )


def _prepare(model: GenerativeModel, family_name: str, plan: RunPlan, device: torch.device) -> None:
    images = TrainingBatches(plan.images, plan.training.initialization_images, plan.training.seed)(0)
    prepare(family_name, model, images.to(device))
