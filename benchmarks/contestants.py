"""Whose speed is compared: this library's Glow, the plain one, and that of normflows."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from benchmarks.plain_glow import PlainGlow
from invglow.flows import GlowConfig, MultiScaleFlow, build_glow, initialize

__all__ = [
    "NAMES",
    "Contestant",
    "build",
    "check_equal",
    "glow_config",
    "is_installed",
    "random_images",
    "trained_like",
]

OURS, COMPILED, PLAIN, NORMFLOWS = "ours", "compiled", "plain", "normflows"
NAMES = (OURS, COMPILED, PLAIN, NORMFLOWS)


@dataclass(frozen=True)
class Contestant:
    """A model to time: its name, itself, and log p(x) of images (B, C, H, W), shape (B,), in nats."""

    name: str
    model: nn.Module
    log_prob: Callable[[Tensor], Tensor]


def glow_config(hidden_channels: int, *, steps_per_scale: int = 8, image_size: int = 32) -> GlowConfig:
    """Return the settings that all contestants share: three scales, RGB."""
    return GlowConfig((3, image_size, image_size), 3, steps_per_scale, hidden_channels)


def is_installed(name: str) -> bool:
    """Whether a contestant can be built here; only normflows may be missing."""
    return name != NORMFLOWS or importlib.util.find_spec("normflows") is not None


def build(name: str, config: GlowConfig) -> Contestant:
    """Build one contestant with weights as after some training; equal names and settings, equal weights."""
    if name == NORMFLOWS:
        return _build_normflows(config)
    flow = trained_like(config)
    if name == PLAIN:
        plain = PlainGlow(flow)
        return Contestant(name, plain, plain.log_prob)
    if name == COMPILED:
        for step in (step for scale in flow.scales for step in scale.steps):
            step.compile()
    return Contestant(name, flow, flow.log_prob)


def trained_like(config: GlowConfig, seed: int = 0) -> MultiScaleFlow:
    """Return a flow with no parameter at its neutral start, where a mistake could hide."""
    torch.manual_seed(seed)
    flow = build_glow(config)
    with torch.no_grad():
        for parameter in flow.parameters():
            parameter.add_(0.01 * torch.randn_like(parameter))
    initialize(flow, random_images(config, 64, seed))
    return flow


def random_images(config: GlowConfig, count: int, seed: int = 0) -> Tensor:
    """Return noise in [-1/2, 1/2): the work does not depend on what the images show."""
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(count, *config.image_shape, generator=generator) - 0.5


def check_equal(one: Contestant, other: Contestant, x: Tensor, tolerance: float = 1e-4) -> float:
    """Return the largest relative difference of log p(x), which must be the same function in both.

    Raises:
        RuntimeError: if it is above `tolerance`.
    """
    with torch.no_grad():
        expected, found = one.log_prob(x), other.log_prob(x)
    difference = float(((found - expected) / expected).abs().max())
    if not difference <= tolerance:
        raise RuntimeError(
            f"{one.name} and {other.name} differ by {difference:.1e} in log p(x): not the same model."
        )
    return difference


def _build_normflows(config: GlowConfig) -> Contestant:
    """Build the Glow of normflows as its own documentation does, at the same size."""
    import normflows as nf

    torch.manual_seed(0)
    channels, height, width = config.image_shape
    bases, flows, merges = [], [], []
    for level in range(config.scales):  # normflows counts from the coarsest
        depth = config.scales - level
        wide = channels * 2 ** (depth + 1)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "torch.lu is deprecated")  # called by normflows
            blocks = [nf.flows.GlowBlock(wide, config.hidden_channels) for _ in range(config.steps_per_scale)]
        flows.append([*blocks, nf.flows.Squeeze()])
        latent_shape = (wide if level == 0 else wide // 2, height >> depth, width >> depth)
        bases.append(nf.distributions.DiagGaussian(latent_shape))
        if level > 0:
            merges.append(nf.flows.Merge())
    model = nf.MultiscaleFlow(bases, flows, merges, class_cond=False)
    return Contestant(NORMFLOWS, model, lambda x: model.log_prob(x, None))
