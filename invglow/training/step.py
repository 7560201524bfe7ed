"""One optimizer step: loss, gradients, clipping, and what to do where they are not finite."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, TypedDict

import ignite.distributed as idist
import torch
from torch import Tensor, nn

from invglow.training.config import TrainingConfig
from invglow.training.likelihood_model import LikelihoodModel
from invglow.training.losses import negative_log_likelihood

__all__ = ["StepResult", "StepState", "TrainingStep"]


class StepState(TypedDict):
    """What a training step needs, besides the weights and the step number, to go on."""

    optimizer: dict[str, Any]
    skipped: int
    skipped_in_a_row: int


@dataclass(frozen=True)
class StepResult:
    """What one step did: loss in nats per image over all processes, and the norm of its gradient."""

    loss: float
    gradient_norm: float
    learning_rate: float
    skipped: bool


class _LogProb(nn.Module):
    """Calls `log_prob` in its forward, which is what data-parallel wrappers can wrap."""

    def __init__(self, model: LikelihoodModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        return self.model.log_prob(x)


@dataclass
class TrainingStep:
    """Maximum likelihood by Adamax; a step whose gradient is not finite is skipped and counted.

    Attributes:
        model: the density to train, on `device`.
        config: the settings.
        device: where the model is.
        skipped: steps without a finite gradient so far.
        skipped_in_a_row: those of them since the last finite one.
    """

    model: LikelihoodModel
    config: TrainingConfig
    device: torch.device
    skipped: int = 0
    skipped_in_a_row: int = 0
    optimizer: torch.optim.Optimizer = field(init=False)
    parallel: nn.Module = field(init=False)

    def __post_init__(self) -> None:
        parameters = [p for p in self.model.parameters() if p.requires_grad]
        self.optimizer = torch.optim.Adamax(
            parameters, lr=self.config.learning_rate, weight_decay=self.config.weight_decay
        )
        log_prob = _LogProb(self.model)
        self.parallel = idist.auto_model(log_prob) if idist.get_world_size() > 1 else log_prob

    def __call__(self, step: int, x: Tensor) -> StepResult:
        """Do the step that follows `step` finished ones on this process's images (B, C, H, W)."""
        learning_rate = self.config.learning_rate_at(step)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        self.optimizer.zero_grad(set_to_none=True)
        loss = negative_log_likelihood(self.parallel(x.to(self.device, non_blocking=True)))
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), self.config.max_gradient_norm)
        # Of all processes, which must decide alike.
        mean_loss = _mean_over_processes(loss)
        finite = bool(torch.isfinite(norm)) and math.isfinite(mean_loss)
        if finite:
            self.optimizer.step()
        self._count(finite, step)
        return StepResult(mean_loss, float(norm), learning_rate, not finite)

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
        }

    def load_state_dict(self, state: StepState) -> None:
        """Take up what `state_dict` returned."""
        self.optimizer.load_state_dict(state["optimizer"])
        self.skipped, self.skipped_in_a_row = state["skipped"], state["skipped_in_a_row"]


def _mean_over_processes(loss: Tensor) -> float:
    total = idist.all_reduce(loss.detach().clone()) if idist.get_world_size() > 1 else loss.detach()
    return float(total) / idist.get_world_size()
