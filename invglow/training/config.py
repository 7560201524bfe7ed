"""How to train: settings as plain data."""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["LARGEST_SEED", "TrainingConfig"]

# That torch's generators take.
LARGEST_SEED = 2**63 - 1


@dataclass(frozen=True)
class TrainingConfig:
    """Settings of one training run; optimizer and batch size default to the paper's.

    Attributes:
        steps: optimizer steps in all.
        batch_size: images per step over all processes.
        learning_rate: peak learning rate of Adamax.
        weight_decay: L2 penalty of Adamax.
        warmup_steps: steps over which the learning rate rises linearly from zero.
        cooldown_fraction: last part of the steps that uses a smaller learning rate.
        cooldown_factor: what the learning rate is multiplied by there.
        max_gradient_norm: gradients are scaled down to this norm; the loss is in nats per image.
        flip: flip training images horizontally; None flips where the set allows it (not digits).
        max_shift: largest random shift of a training image, as a fraction of its side; None means 0.1 where
            the set may be flipped, else 0.
        initialization_images: images for the data-dependent initialisation of a fresh flow.
        evaluate_every: steps between evaluations; None means once per epoch.
        checkpoint_every: steps between checkpoints.
        max_nonfinite: stop after this many steps in a row without a finite gradient.
        seed: names all randomness of the run.

    References:
        Schirrmeister et al. (2020), appendix; Kingma and Ba (2015), algorithm 2 (Adamax).
    """

    steps: int
    batch_size: int = 64
    learning_rate: float = 5e-4
    weight_decay: float = 5e-5
    warmup_steps: int = 100
    cooldown_fraction: float = 0.2
    cooldown_factor: float = 0.2
    max_gradient_norm: float = 1e4
    flip: bool | None = None
    max_shift: float | None = None
    initialization_images: int = 512
    evaluate_every: int | None = None
    checkpoint_every: int = 500
    max_nonfinite: int = 20
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "initialization_images", "checkpoint_every", "max_nonfinite"):
            self._require(name, getattr(self, name) >= 1, "at least 1")
        self._require("evaluate_every", self.evaluate_every is None or self.evaluate_every >= 1, "at least 1")
        for name in ("learning_rate", "max_gradient_norm"):
            self._require(name, getattr(self, name) > 0, "positive")
        for name in ("weight_decay", "warmup_steps", "cooldown_factor", "seed"):
            self._require(name, getattr(self, name) >= 0, "zero or more")
        for name in ("learning_rate", "weight_decay", "cooldown_factor"):
            self._require(name, math.isfinite(getattr(self, name)), "finite")
        self._require("seed", self.seed <= LARGEST_SEED, f"at most {LARGEST_SEED}")
        self._require("cooldown_fraction", 0 <= self.cooldown_fraction <= 1, "between 0 and 1")

    def _require(self, name: str, holds: bool, wanted: str) -> None:
        if not holds:
            raise ValueError(f"{name} must be {wanted}, got {getattr(self, name)}.")

    def learning_rate_at(self, step: int) -> float:
        """Return the learning rate of the step that follows `step` finished ones."""
        warmup = min(1.0, (step + 1) / max(1, self.warmup_steps))
        in_cooldown = step >= self.steps * (1 - self.cooldown_fraction)
        return self.learning_rate * warmup * (self.cooldown_factor if in_cooldown else 1.0)
