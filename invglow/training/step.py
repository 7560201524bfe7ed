"""One optimizer step: loss, gradients, clipping, and what to do where they are not finite."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypedDict

import ignite.distributed as idist
import torch
from torch import Tensor, nn

from invglow.training.config import TrainingConfig
from invglow.training.failure import said_of
from invglow.training.likelihood_model import LikelihoodModel
from invglow.training.objective import Batch, Loss, MaximumLikelihood, Objective

__all__ = ["StepResult", "StepState", "TrainingStep"]


class StepState(TypedDict):
    """What a training step needs, besides the weights and the step number, to go on."""

    optimizer: dict[str, Any]
    skipped: int
    skipped_in_a_row: int
    left_out: int


@dataclass(frozen=True)
class StepResult:
    """What one step did.

    Attributes:
        loss: in nats per image, over all processes.
        parts: what the loss is the sum of, by name.
        gradient_norm: before clipping.
        learning_rate: of this step.
        skipped: whether nothing was changed, for want of a finite gradient.
    """

    loss: float
    parts: Mapping[str, float]
    gradient_norm: float
    learning_rate: float
    skipped: bool


class _Objective(nn.Module):
    """Computes the loss in its forward, which is what data-parallel wrappers can wrap."""

    def __init__(self, model: LikelihoodModel, objective: Objective) -> None:
        super().__init__()
        self.model = model
        self.objective = objective  # not a module: what it refers to is not trained

    def forward(self, batch: Batch) -> Loss:
        return self.objective.loss(self.model, batch)


@dataclass
class TrainingStep:
    """Minimises an objective by Adamax; a step whose gradient is not finite is skipped and counted.

    Attributes:
        model: the density to train, on `device`.
        config: the settings.
        device: where the model is.
        objective: what to minimise.
        skipped: steps without a finite gradient so far.
        skipped_in_a_row: those of them since the last finite one.
        left_out: images that the objective left out so far.
    """

    model: LikelihoodModel
    config: TrainingConfig
    device: torch.device
    objective: Objective = field(default_factory=MaximumLikelihood)
    skipped: int = 0
    skipped_in_a_row: int = 0
    left_out: int = 0
    optimizer: torch.optim.Optimizer = field(init=False)
    parallel: nn.Module = field(init=False)

    def __post_init__(self) -> None:
        parameters = [p for p in self.model.parameters() if p.requires_grad]
        self.optimizer = torch.optim.Adamax(
            parameters, lr=self.config.learning_rate, weight_decay=self.config.weight_decay
        )
        objective = _Objective(self.model, self.objective)
        self.parallel = idist.auto_model(objective) if idist.get_world_size() > 1 else objective

    def __call__(self, step: int, x: Tensor) -> StepResult:
        """Do the step that follows `step` finished ones on this process's images (B, C, H, W)."""
        learning_rate = self.config.learning_rate_at(step)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        self.optimizer.zero_grad(set_to_none=True)
        with said_of(self.model, f"step {step + 1} of training", x):
            loss: Loss = self.parallel(self.objective.batch(step, x).to(self.device))
            loss.total.backward()
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), self.config.max_gradient_norm)
        # Of all processes, which must decide alike.
        parts, left_out = _over_processes(loss)
        mean_loss = sum(parts.values())
        finite = bool(torch.isfinite(norm)) and math.isfinite(mean_loss)
        if finite:
            self.optimizer.step()
        self.left_out += left_out
        self._count(finite, step)
        return StepResult(mean_loss, parts, float(norm), learning_rate, not finite)

    def _count(self, finite: bool, step: int) -> None:
        self.skipped += not finite
        self.skipped_in_a_row = 0 if finite else self.skipped_in_a_row + 1
        if self.skipped_in_a_row >= self.config.max_nonfinite:
            raise ValueError(
                f"Training stopped at step {step + 1}: {self.skipped_in_a_row} steps in a row had no finite "
                f"gradient. Try a smaller learning rate (now {self.config.learning_rate:g}) or "
                "a longer warm-up."
            )

    def state_dict(self) -> StepState:
        """Return the state to put into a checkpoint."""
        return {
            "optimizer": self.optimizer.state_dict(),
            "skipped": self.skipped,
            "skipped_in_a_row": self.skipped_in_a_row,
            "left_out": self.left_out,
        }

    def moments(self) -> dict[str, Tensor]:
        """Return what the optimizer remembers of every parameter, by the parameter's name and its own."""
        return {
            f"{name}.{kind}": value
            for name, parameter in self.model.named_parameters()
            for kind, value in self.optimizer.state.get(parameter, {}).items()
            if isinstance(value, Tensor)
        }

    def load_state_dict(self, state: StepState) -> None:
        """Take up what `state_dict` returned."""
        self.optimizer.load_state_dict(state["optimizer"])
        self.skipped, self.skipped_in_a_row = state["skipped"], state["skipped_in_a_row"]
        self.left_out = state.get("left_out", 0)  # earlier versions had nothing to leave out


def _over_processes(loss: Loss) -> tuple[dict[str, float], int]:
    """Return the mean of each part over all processes, and the sum of the images left out."""
    parts = torch.stack(list(loss.parts.values())).detach()
    found = torch.cat((parts, loss.left_out.to(parts)[None]))
    if idist.get_world_size() > 1:
        found = torch.as_tensor(idist.all_reduce(found))
    *sums, left_out = found.tolist()
    means = (value / idist.get_world_size() for value in sums)
    return dict(zip(loss.parts, means, strict=True)), int(left_out)
