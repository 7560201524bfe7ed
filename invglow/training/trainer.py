"""Training a likelihood model so that it can be killed at any moment and go on."""

from __future__ import annotations

import logging
import math
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypedDict

import ignite.distributed as idist
import torch
from ignite.engine import Engine, Events
from torch import Tensor

from invglow.checkpoints import (
    TRAINING_STATE,
    WEIGHTS,
    Checkpoint,
    load_training_state,
    newest_checkpoint,
    save_checkpoint,
)
from invglow.data.batches import TrainingBatches, training_batches
from invglow.data.preprocessing import bits_per_dim
from invglow.reading import load_tensors, read_tensors, require_finite
from invglow.training.config import TrainingConfig
from invglow.training.evaluation import Evaluation
from invglow.training.failure import said_of
from invglow.training.likelihood_model import LikelihoodModel
from invglow.training.log import TrainingLog
from invglow.training.objective import LIKELIHOOD, MaximumLikelihood, Objective
from invglow.training.progress import ProgressBar
from invglow.training.step import StepResult, StepState, TrainingStep

__all__ = ["Trainer", "TrainingResult"]

SAMPLES_SHOWN = 16
# Ignite logs every exception that it then raises, which would say twice what the caller says once.
_SILENT = logging.Logger("silent", level=logging.CRITICAL)


@dataclass(frozen=True)
class TrainingResult:
    """How a training ended.

    Attributes:
        steps: steps done in all.
        skipped: steps among them without a finite gradient.
        seconds: training time in all, over interruptions.
        metrics: the last evaluation.
        steps_before: steps that an earlier, interrupted or finished, training had done.
        left_out: images that the objective left out of the loss, since log p(x) was not finite.
    """

    steps: int
    skipped: int
    seconds: float
    metrics: Mapping[str, float]
    steps_before: int
    left_out: int = 0


class _TrainingState(TypedDict):
    step: StepState
    seconds: float
    metrics: dict[str, float]


@dataclass
class Trainer:
    """Trains `model` in the folder `run`, from its newest checkpoint if there is one.

    The batch of a step, its augmentation and its noise depend on the seed and the step alone, so that
    an interrupted training ends with the same weights, bit for bit on the CPU, as one that never was.

    Attributes:
        model: the density to train, on `device`.
        batches: what to train on.
        config: the settings.
        run: folder for checkpoints, metrics and TensorBoard logs.
        device: where the model is.
        objective: what to minimise.
        prepare: called once before the first step of a fresh training, e.g. to initialise the model.
        evaluation: what to watch; None evaluates nothing.
        log_every: steps between lines in the metrics.
        samples_every: steps between pictures of samples, besides those at the end; None draws them with every
            evaluation, or at the end alone where the model `samples_slowly`.
        progress: show a bar, and print what evaluations find.
    """

    model: LikelihoodModel
    batches: TrainingBatches
    config: TrainingConfig
    run: Path
    device: torch.device
    objective: Objective = field(default_factory=MaximumLikelihood)
    prepare: Callable[[], None] | None = None
    evaluation: Evaluation | None = None
    log_every: int = 10
    samples_every: int | None = None
    progress: bool = False
    _seconds_before: float = field(default=0.0, init=False)
    _started: float = field(default_factory=time.monotonic, init=False)
    _metrics: dict[str, float] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        for name, steps in (("log_every", self.log_every), ("samples_every", self.samples_every)):
            if steps is not None and steps < 1:
                raise ValueError(f"{name} must be at least 1, got {steps}.")

    def train(self) -> TrainingResult:
        """Train up to `config.steps` steps and return how it ended."""
        self._step = TrainingStep(self.model, self.config, self.device, self.objective)
        start = self._restore()
        if start < self.config.steps:
            self._train_from(start)
        return TrainingResult(
            self.config.steps,
            self._step.skipped,
            self._seconds(),
            self._metrics,
            steps_before=start,
            left_out=self._step.left_out,
        )

    def _restore(self) -> int:
        """Load the newest intact checkpoint, or prepare a fresh model; return the steps done."""
        checkpoint = newest_checkpoint(self.run)
        if checkpoint is None:
            if (self.run / WEIGHTS).exists():
                raise ValueError(
                    f"{self.run} holds weights without a checkpoint to go on from: train them on in a new "
                    f"folder (--continue {self.run})."
                )
            if self.prepare is not None:
                self.prepare()
            return 0
        for problem in checkpoint.problems:
            print(f"{problem} Going on from the one of step {checkpoint.step}.", file=sys.stderr)
        self._load_weights(checkpoint.files[WEIGHTS])
        self._load_state(checkpoint)
        return checkpoint.step

    def _load_state(self, checkpoint: Checkpoint) -> None:
        path = checkpoint.files[TRAINING_STATE]
        state: _TrainingState = load_training_state(checkpoint)  # type: ignore[assignment]
        try:
            self._step.load_state_dict(state["step"])
            self._seconds_before, self._metrics = state["seconds"], state["metrics"]
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path} holds another state than this training has ({error!r}).") from error
        require_finite(self._step.moments(), f"The optimizer's numbers in {path}")

    def _load_weights(self, path: Path) -> None:
        tensors = read_tensors(path)
        try:
            load_tensors(self.model, tensors)
        except ValueError as error:
            raise ValueError(f"{path} does not fit the model that is to be trained: {error}") from error
        require_finite(tensors, f"The weights in {path}")

    def _train_from(self, start: int) -> None:
        self._log = TrainingLog(self.run, start) if idist.get_rank() == 0 else None
        self._bar = ProgressBar(self.run.name, self.config.steps, start, shown=self.progress)
        self._started = time.monotonic()
        try:
            with self._log or nullcontext():
                self._engine(start).run(training_batches(self.batches, start, self.config.steps))
        finally:
            self._bar.close()

    def _engine(self, start: int) -> Engine:
        engine = Engine(self._do_step)
        engine.logger = _SILENT
        epoch_length = self.config.evaluate_every or -(-len(self.batches.images) // self.config.batch_size)
        engine.load_state_dict(
            {"iteration": start, "max_iters": self.config.steps, "epoch_length": epoch_length}
        )
        # Evaluation comes first, so that a checkpoint knows of it and no kill can make it fall out.
        evaluation_due = Events.ITERATION_COMPLETED(every=epoch_length)
        checkpoint_due = Events.ITERATION_COMPLETED(event_filter=self._checkpoint_due)
        samples_due = Events.ITERATION_COMPLETED(event_filter=partial(self._samples_due, epoch_length))
        engine.add_event_handler(evaluation_due | Events.COMPLETED, self._evaluate)
        engine.add_event_handler(samples_due, self._show_samples)
        engine.add_event_handler(checkpoint_due | Events.COMPLETED, self._save)
        return engine

    def _checkpoint_due(self, _: Engine, step: int) -> bool:
        """Return whether to save after `step`; the last one is saved on completion."""
        return step % self.config.checkpoint_every == 0 and step < self.config.steps

    def _samples_due(self, evaluate_every: int, _: Engine, step: int) -> bool:
        """Return whether to draw samples after `step`: with the last evaluation in any case."""
        if self.evaluation is None:
            return False
        every = self.samples_every or (self.config.steps if self.model.samples_slowly else evaluate_every)
        return step % every == 0 or step == self.config.steps

    def _do_step(self, engine: Engine, x: Tensor) -> None:
        step = engine.state.iteration
        self._report(step, self._step(step - 1, x))

    def _report(self, step: int, result: StepResult) -> None:
        self._bar.update()
        if step % self.log_every and step != self.config.steps:
            return
        rate = self._bar.steps_per_second
        bits = self._bits_per_dim(result)
        bound = " (upper bound)" if self.model.bounds_likelihood else ""
        fit = f"{bits['bits_per_dim/batch']:.3f} bits/dim{bound}" if bits else f"loss {result.loss:.3f}"
        self._bar.note(f"{fit}, {rate * self.config.batch_size:.0f} images/s")
        if self._log is not None:
            values = {
                "loss": result.loss,
                **bits,
                "gradient_norm": result.gradient_norm,
                "learning_rate": result.learning_rate,
                "images_per_second": rate * self.config.batch_size,
                "skipped": float(self._step.skipped),
            }
            self._log.scalars(step, values | self._parts(result))

    def _bits_per_dim(self, result: StepResult) -> dict[str, float]:
        """Return bits per dimension of the batch, where the loss has that unit."""
        if not self.objective.minimises_likelihood(self.model):
            return {}
        dimensions = math.prod(self.batches.images.image_shape)
        return {"bits_per_dim/batch": bits_per_dim(-result.parts[LIKELIHOOD], dimensions)}

    def _parts(self, result: StepResult) -> dict[str, float]:
        """Return what there is to say of a loss that has several parts."""
        if len(result.parts) == 1:
            return {}
        parts = {f"loss/{name}": value for name, value in result.parts.items()}
        return {**parts, "left_out": float(self._step.left_out)}

    def _evaluate(self, engine: Engine) -> None:
        step = engine.state.iteration
        if self._log is None or self.evaluation is None or self._metrics.get("step") == step:
            return
        self._metrics = {"step": step, **self.evaluation(self.model, self.device)}
        values = {name: value for name, value in self._metrics.items() if name != "step"}
        self._log.scalars(step, values)
        said = [f"step {step}:", *(f"{name} {value:.3f}" for name, value in values.items())]
        if self.model.bounds_likelihood:
            said.append("(bits_per_dim: upper bounds)")
        self._bar.print("  ".join(said))

    def _show_samples(self, engine: Engine) -> None:
        if self._log is None:
            return
        # A model that has diverged may not be invertible; its steps will say so.
        with suppress(torch.linalg.LinAlgError):  # type: ignore[attr-defined]  # torch does not declare it
            self._log.images(engine.state.iteration, "samples", self._samples())

    def _samples(self) -> Tensor:
        generator = torch.Generator().manual_seed(self.config.seed)
        with self.model.evaluating(), said_of(self.model, f"sample({SAMPLES_SHOWN}, generator)"):
            return self.model.sample(SAMPLES_SHOWN, generator)

    def _save(self, engine: Engine) -> None:
        if idist.get_rank() == 0:
            state: _TrainingState = {
                "step": self._step.state_dict(),
                "seconds": self._seconds(),
                "metrics": self._metrics,
            }
            save_checkpoint(self.run, engine.state.iteration, self.model.state_dict(), state)

    def _seconds(self) -> float:
        return self._seconds_before + time.monotonic() - self._started
