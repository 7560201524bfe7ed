"""Data-dependent initialisation, done once by a function call."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from invglow.flows.multiscale import MultiScaleFlow
from invglow.flows.prior import LatentPrior
from invglow.transforms import ActNorm

__all__ = ["initialize"]


@torch.no_grad()
def initialize(flow: MultiScaleFlow, images: Tensor) -> None:
    """Set every ActNorm and every prior of `flow` so that it standardises its input on `images`.

    Runs the unfolded flow once and fits each normalization from the input that reaches it. If that
    fails, `flow` is left as it was.

    Args:
        flow: a fresh flow; normalizations that were trained before are overwritten.
        images: batch (B, C, H, W) in [-1/2, 1/2), a few hundred images.

    Raises:
        ValueError: if `images` has the wrong shape, fewer than 2 images or values that are not finite.

    References:
        Glow (Kingma and Dhariwal, 2018), 3.1.
    """
    if len(images) < 2:
        raise ValueError(f"Initialising needs at least 2 images to see how they vary, got {len(images)}.")
    if not images.isfinite().all():
        raise ValueError("Initialising needs finite images, got NaN or infinite values.")
    with _restored_on_failure(flow), _each_actnorm_fitted_from_its_input(flow):
        outputs = flow.forward_unfolded(images)
        for scale, output in zip(flow.scales, outputs, strict=True):
            scale.prior.fit(output.latent)


@contextmanager
def _restored_on_failure(flow: nn.Module) -> Iterator[None]:
    normalizations = [module for module in flow.modules() if isinstance(module, ActNorm | LatentPrior)]
    before = [(p, p.clone()) for module in normalizations for p in module.parameters()]
    try:
        yield
    except BaseException:
        for parameter, value in before:
            parameter.copy_(value)
        raise


@contextmanager
def _each_actnorm_fitted_from_its_input(flow: nn.Module) -> Iterator[None]:
    actnorms = [module for module in flow.modules() if isinstance(module, ActNorm)]
    handles = [actnorm.register_forward_pre_hook(_fit_from_input) for actnorm in actnorms]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _fit_from_input(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    if isinstance(module, ActNorm):
        module.fit(inputs[0])
