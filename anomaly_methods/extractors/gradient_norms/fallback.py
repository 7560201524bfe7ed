"""The gradients that no rule covers: from torch.func where the model allows it, or group by group."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from anomaly_methods.extractors.gradient_norms.parameters import group_count, trainable_parameters
from anomaly_methods.extractors.gradient_norms.per_group import squared_norms
from anomaly_methods.extractors.gradient_norms.reference import reference_squared_norms
from models.base import GenerativeModel

__all__ = ["fallback_squared_norms", "say_once"]

logger = logging.getLogger(__name__)

_NUMBERS_AT_A_TIME = 1 << 26  # of gradients that exist at once


def fallback_squared_norms(
    model: GenerativeModel, x: Tensor, group_size: int, names: Sequence[str]
) -> dict[str, Tensor]:
    """Compute `squared_gradient_norms` of some parameters in a pass of their own.

    Args:
        model: in evaluation mode.
        x: images (B, C, H, W).
        group_size: of images.
        names: of the parameters.
    """
    try:
        return _by_vmap(model, x, group_size, names)
    except (RuntimeError, NotImplementedError, TypeError, ValueError) as error:
        say_once(
            f"torch.func cannot differentiate {type(model).__name__} ({str(error).splitlines()[0]}): "
            "these tensors take one backward pass per group."
        )
    return reference_squared_norms(model, x, group_size, names)


@lru_cache(maxsize=256)
def say_once(sentence: str) -> None:
    """Log a warning, unless it was logged before."""
    logger.warning(sentence)


class _LogProb(nn.Module):
    """A model whose forward is log_prob, which is what `functional_call` calls."""

    def __init__(self, model: GenerativeModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        return self.model.log_prob(x).sum()


def _by_vmap(model: GenerativeModel, x: Tensor, group_size: int, names: Sequence[str]) -> dict[str, Tensor]:
    parameters = trainable_parameters(model)
    chosen = {f"model.{name}": parameters[name].detach() for name in names}
    module = _LogProb(model)

    def log_prob(values: dict[str, Tensor], group: Tensor) -> Tensor:
        summed: Tensor = functional_call(module, values, group)
        return summed

    def norms(group: Tensor) -> dict[str, Tensor]:
        return {name: squared_norms(g[None])[0] for name, g in grad(log_prob)(chosen, group).items()}

    size = sum(parameter.numel() for parameter in chosen.values())
    groups = x.reshape(group_count(len(x), group_size), group_size, *x.shape[1:])
    with torch.enable_grad():
        found = vmap(norms, chunk_size=max(1, _NUMBERS_AT_A_TIME // size))(groups)
    return {name: found[f"model.{name}"] for name in names}
