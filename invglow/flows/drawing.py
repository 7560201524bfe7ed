"""Random numbers for samples, from the generator's device: a seed gives the same images on every device."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["device_of", "open_uniform", "standard_noise"]


def device_of(generator: torch.Generator | None) -> torch.device:
    """Return where numbers are drawn: on the generator's device, on the CPU without one."""
    return generator.device if generator is not None else torch.device("cpu")


def standard_noise(shape: Sequence[int], like: Tensor, generator: torch.Generator | None) -> Tensor:
    """Draw standard normal noise of a shape, of the type and on the device of `like`."""
    noise = torch.randn(*shape, generator=generator, device=device_of(generator), dtype=like.dtype)
    return noise.to(like.device)


def open_uniform(shape: Sequence[int], like: Tensor, generator: torch.Generator | None) -> Tensor:
    """Draw uniform numbers, never 0 or 1, whose logits are finite, of the type and device of `like`."""
    uniform = torch.rand(*shape, generator=generator, device=device_of(generator))
    return uniform.clamp(1e-6, 1 - 1e-6).to(like)
