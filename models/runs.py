"""Training a run: from a plan to a folder with configuration, provenance and checkpoints."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import ignite.distributed as idist
import numpy as np
import torch

import invglow
from invglow.checkpoints import CONFIG, newest_checkpoint, read_config, weights_sha256, write_config
from invglow.data.batches import TrainingBatches
from invglow.data.image_set import ImageSet
from invglow.data.preprocessing import check_image_shape
from invglow.sections import OBJECT, TEXT, WHOLE, read_section
from invglow.training import Evaluation, Trainer, TrainingConfig, TrainingResult
from invglow.training.likelihood_model import ClassConditionalModel
from invglow.training.objective import MaximumLikelihood, Objective
from models.base import GenerativeModel
from models.objectives import LabelPlan, OutlierPlan, objective_of
from models.registry import family, load_model, prepare, with_classes

# Settings that change neither the weights nor where they are.
HARMLESS = ("evaluate_every", "checkpoint_every", "max_nonfinite")
# Folder, inside a fine-tuned run, of the general model trained on for as many steps.
EQUALLY_TRAINED = "general"
# Names the random numbers that batches of outliers are drawn with.
OUTLIERS = 1
# Largest shift of training images in the paper, as a fraction of the side.
PAPER_SHIFT = 0.1

__all__ = ["EQUALLY_TRAINED", "Origin", "RunPlan", "general_run_of", "train_run"]


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
    config = _config_of(plan)
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
    _record(plan.run, config)
    return trainer.train()


def general_run_of(run: Path) -> Path | None:
    """Return the general model of `run`: DIR/general if it is trained to its end, else its base, else None.

    Raises:
        FileNotFoundError: if it is recorded but no longer there.
        ValueError: if it is no longer the one that `run` was trained from.
    """
    equally_trained = run / EQUALLY_TRAINED
    if _is_finished(equally_trained):
        return equally_trained
    origin = _base_of(run)
    if origin is None:
        return None
    general = Path(origin["run"])
    if not general.is_dir():
        raise FileNotFoundError(
            f"The general run of {run} was {general}, which is not there any more: name it with --general."
        )
    if weights_sha256(general) != origin["sha256"]:
        raise ValueError(
            f"The general run of {run} was {general}, whose weights have changed since: name with --general "
            f"the one to compare with."
        )
    return general


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


def _base_of(run: Path) -> dict[str, Any] | None:
    """Return what a run records of the run it was fine-tuned from, or None where it was not."""
    if read_config(run).get("origin", ...) is None:
        return None
    is_base = read_section(run, "origin", relation=TEXT)["relation"] == "base"
    return read_section(run, "origin", run=TEXT, sha256=TEXT) if is_base else None


def _is_finished(run: Path) -> bool:
    checkpoint = newest_checkpoint(run)
    return checkpoint is not None and checkpoint.step == read_section(run, "training", steps=WHOLE)["steps"]


def _config_of(plan: RunPlan) -> dict[str, Any]:
    return {
        "model": plan.model if plan.model is not None else _origin_model(plan),
        "data": _described(plan.images),
        "training": asdict(plan.training),
        "origin": _provenance(plan.origin) if plan.origin else None,
        "outliers": {**_described(plan.outliers.images), **plan.outliers.settings()}
        if plan.outliers
        else None,
        "labels": plan.labels.settings(plan.images) if plan.labels else None,
        "versions": {
            "invglow": invglow.__version__,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
        },
    }


def _described(images: ImageSet) -> dict[str, Any]:
    return {
        "name": images.name,
        "split": images.split,
        "images": len(images),
        "image_shape": list(images.image_shape),
        "grey": images.grey,
        "sha256": images.sha256(),
    }


def _origin_model(plan: RunPlan) -> dict[str, Any]:
    if plan.origin is None:
        raise ValueError("A run needs a model or another run to start from.")
    model = read_section(plan.origin.run, "model", family=TEXT, settings=OBJECT)
    if plan.labels is None:
        return model
    classes = model["settings"].get("classes") or plan.labels.classes
    if classes != plan.labels.classes:
        raise ValueError(
            f"{plan.origin.run} has {classes} classes, the labels of {plan.images.name} name "
            f"{plan.labels.classes}: start from a run without classes."
        )
    return {**model, "settings": {**model["settings"], "classes": classes}}


def _provenance(origin: Origin) -> dict[str, Any]:
    sha256, checkpoint = weights_sha256(origin.run), newest_checkpoint(origin.run)
    return {
        "run": str(origin.run.resolve()),
        "relation": origin.relation,
        "step": checkpoint.step if checkpoint else None,  # unknown of weights that were handed on alone
        "sha256": sha256,
    }


def _record(run: Path, config: dict[str, Any]) -> None:
    """Write the configuration of a new run, or check it against the one that is there."""
    if (run / CONFIG).exists():
        for section in ("model", "data", "training"):
            _refuse_difference(run, section, read_section(run, section), config[section])
        recorded = read_config(run)
        moved = _is_moved(recorded.get("origin"), config["origin"])
        for section in ("outliers", "labels") if moved else ("origin", "outliers", "labels"):
            _refuse_difference(run, section, recorded.get(section), config[section])
        idist.barrier()
        if moved and idist.get_rank() == 0:
            write_config(run, {**recorded, "origin": config["origin"]})
    else:
        if newest_checkpoint(run) is not None:
            raise ValueError(
                f"{run} holds a checkpoint but no {CONFIG} that says of what: choose another --run."
            )
        idist.barrier()
        if idist.get_rank() == 0:
            write_config(run, config)


def _is_moved(recorded: Any, asked: Any) -> bool:
    """Whether a run starts from the same weights as before, which are now in another folder."""
    if not (isinstance(recorded, dict) and isinstance(asked, dict)):
        return False
    return recorded != asked and {**recorded, "run": asked["run"]} == asked


def _refuse_difference(run: Path, section: str, recorded: Any, asked: Any) -> None:
    recorded, asked = (_plain(value) for value in (recorded, asked))
    if recorded == asked:
        return
    if isinstance(recorded, dict) and isinstance(asked, dict):
        keys = (key for key in asked | recorded if asked.get(key) != recorded.get(key))
        key = next((key for key in keys if key not in HARMLESS), None)
        if key is None:
            return
        section, recorded, asked = f"{section}.{key}", recorded.get(key), asked.get(key)
    raise ValueError(
        f"{run} holds a run with {section} = {recorded}, asked for was {asked}: repeat the command with the "
        f"earlier setting to go on, choose another --run, or start over with --restart."
    )


def _plain(value: Any) -> Any:
    """Return tuples as lists, the way they come back from JSON."""
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list | tuple) else value


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
