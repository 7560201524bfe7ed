"""Glow: the flow that is built from its settings, in all its variants."""

from __future__ import annotations

import math
from typing import cast

from invglow.flows.class_conditional import ClassConditionalFlow
from invglow.flows.class_prior import ClassNormals
from invglow.flows.conditional import ConditionalFlow, ConditionalNormal
from invglow.flows.config import GlowConfig
from invglow.flows.dense import FlatLayout
from invglow.flows.multiscale import FlowScale, Half, MultiScaleFlow
from invglow.flows.patches import PatchLayout, PatchNormal
from invglow.flows.prior import ElementwiseNormal, LatentPrior
from invglow.flows.steps import build_dense_step, build_step
from invglow.transforms import FlowStep

__all__ = ["build_glow"]

Shape = tuple[int, int, int]


def build_glow(config: GlowConfig) -> MultiScaleFlow:
    """Build a Glow with fresh random weights from torch's global generator.

    Its ActNorms and priors are the identity until `invglow.flows.initialize` sets them from data.
    """
    channels, height, width = config.image_shape
    scales = []
    for i in range(config.scales):
        channels, height, width = 4 * channels, height // 2, width // 2
        is_last = i == config.scales - 1
        scales.append(_build_scale(config, (channels, height, width), is_last=is_last))
        channels //= 2
    return _flow_class(config)(scales, config.image_shape, cast(Half, config.keeps))


def _flow_class(config: GlowConfig) -> type[MultiScaleFlow]:
    if config.classes:
        return ClassConditionalFlow
    return ConditionalFlow if config.prior == "conditional" else MultiScaleFlow


def _build_scale(config: GlowConfig, features: Shape, *, is_last: bool) -> FlowScale:
    """Build one scale, given the shape of its squeezed features."""
    steps = [_build_step(config, features) for _ in range(config.steps_per_scale)]
    if config.architecture == "local":
        return _build_local_scale(config, steps, features)
    channels, height, width = features
    prior = _build_prior(config, (channels if is_last else channels // 2, height, width), is_last=is_last)
    return FlowScale(steps, prior, FlatLayout(features) if config.architecture == "dense" else None)


def _build_local_scale(config: GlowConfig, steps: list[FlowStep], features: Shape) -> FlowScale:
    channels, height, width = features
    side = config.patch_size // 2
    layout = PatchLayout(side, height // side, width // side)
    return FlowScale(steps, PatchNormal((channels, side, side), layout), layout)


def _build_prior(config: GlowConfig, shape: Shape, *, is_last: bool) -> LatentPrior:
    if config.classes:
        return ClassNormals(config.classes, shape)
    if config.prior == "conditional" and not is_last:
        return ConditionalNormal(shape)
    return ElementwiseNormal(shape)


def _build_step(config: GlowConfig, features: Shape) -> FlowStep:
    if config.architecture == "dense":
        return build_dense_step(math.prod(features), config.hidden_channels, config.mixing, config.coupling)
    return build_step(features[0], config.hidden_channels, config.mixing, config.coupling)
