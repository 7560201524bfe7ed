"""Whose per-image gradient norms are compared: ours, a loop over images, torch.func and opacus."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable

import torch
from torch import Tensor, nn

from anomaly_methods.extractors.gradient_norms import reference_squared_norms, squared_gradient_norms
from anomaly_methods.extractors.gradient_norms.memory import Memory
from anomaly_methods.extractors.gradient_norms.per_group import squared_norms
from anomaly_methods.extractors.gradient_norms.vmapped import pieces_of, vmapped_gradients
from benchmarks.contestants import trained_like
from benchmarks.hooked_glow import HookedGlow
from invglow.flows import GlowConfig
from models.glow import Glow

__all__ = [
    "FIRST_BATCHES",
    "LOOP",
    "NAMES",
    "OPACUS",
    "OURS",
    "PLAIN",
    "VMAP",
    "build_model",
    "is_installed",
    "task",
]

OURS, PLAIN, LOOP, VMAP, OPACUS = "ours", "plain pass", "image by image", "torch.func", "opacus"
NAMES = (OURS, PLAIN, LOOP, VMAP, OPACUS)
FIRST_BATCHES = 4  # of ours: two as usual, one recorded and one compared with what was recorded


def is_installed(name: str) -> bool:
    """Whether a contestant can run here; only opacus may be missing."""
    return name != OPACUS or importlib.util.find_spec("opacus") is not None


def build_model(config: GlowConfig) -> Glow:
    """Return the Glow that all contestants measure, with weights as after some training."""
    model = Glow(trained_like(config)).eval()
    return model.to(memory_format=torch.channels_last)


def task(name: str, model: Glow, config: GlowConfig, x: Tensor) -> Callable[[], object]:
    """Return what one contestant does with a batch."""
    memory = Memory()
    tasks: dict[str, Callable[[], object]] = {
        OURS: lambda: squared_gradient_norms(model, x, memory=memory),
        PLAIN: lambda: plain_pass(model, x),
        LOOP: lambda: reference_squared_norms(model, x),
        VMAP: lambda: vmapped_squared_norms(model, x),
    }
    return _opacus_task(config, x) if name == OPACUS else tasks[name]


def plain_pass(model: nn.Module, x: Tensor) -> tuple[Tensor, ...]:
    """Run one forward and one backward pass over the batch: the gradient of the sum, and no norms."""
    total = model.log_prob(x).sum()  # type: ignore[operator]
    return torch.autograd.grad(total, list(model.parameters()))


def vmapped_squared_norms(model: Glow, x: Tensor) -> list[list[Tensor]]:
    """Take the norms of what vmap of grad gives, over as many images at a time as the library would."""
    names = [name for name, _ in model.named_parameters()]
    found = (vmapped_gradients(model, piece, 1, names) for piece in pieces_of(model, x, 1, names))
    return [[squared_norms(gradient) for gradient in gradients.values()] for gradients in found]


def _opacus_task(config: GlowConfig, x: Tensor) -> Callable[[], object]:
    """Let opacus collect per-image gradients of layers that it can hook, and take their norms."""
    from opacus import GradSampleModule

    sampled = GradSampleModule(HookedGlow(config), loss_reduction="sum")
    x = x.clone().requires_grad_()  # which its hooks expect of what they see

    def run() -> list[Tensor]:
        sampled.zero_grad(set_to_none=True)
        sampled(x).sum().backward()
        return [parameter.grad_sample.flatten(1).square().sum(dim=1) for parameter in sampled.parameters()]

    return run
