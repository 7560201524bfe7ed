"""Data-dependent initialisation, done once by a function call."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from invglow.flows.multiscale import MultiScaleFlow
from invglow.transforms import ActNorm

__all__ = ["initialize"]


@torch.no_grad()
def initialize(flow: MultiScaleFlow, images: Tensor) -> None:
    """Set every ActNorm and every prior of `flow` so that it standardises its input on `images`.

    Runs the unfolded flow once and fits each normalization from the input that reaches it.

    Args:
        flow: a fresh flow; weights that were trained before are overwritten.
        images: batch (B, C, H, W) in [-1/2, 1/2), a few hundred images.

    References:
        Glow (Kingma and Dhariwal, 2018), 3.1.
    """
    handles = [
        module.register_forward_pre_hook(_fit_from_input)
        for module in flow.modules()
        if isinstance(module, ActNorm)
    ]
    try:
        outputs = flow.forward_unfolded(images)
    finally:
        for handle in handles:
            handle.remove()
    for scale, output in zip(flow.scales, outputs, strict=True):
        scale.prior.fit(output.latent)


def _fit_from_input(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    if isinstance(module, ActNorm):
        module.fit(inputs[0])
