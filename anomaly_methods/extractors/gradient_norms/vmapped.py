"""Gradients by torch.func: vmap over groups of the gradient of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap
from torch.overrides import TorchFunctionMode

from anomaly_methods.extractors.gradient_norms.parameters import group_count, trainable_parameters
from models.base import GenerativeModel

__all__ = ["pieces_of", "vmapped_gradients"]

_NUMBERS_AT_A_TIME = 1 << 27  # of gradients that exist at once: 512 MB in float32


def pieces_of(model: GenerativeModel, x: Tensor, group_size: int, names: Sequence[str]) -> tuple[Tensor, ...]:
    """Split a batch into whole groups, so few that the gradients of these parameters fit in memory."""
    parameters = trainable_parameters(model)
    size = sum(parameters[name].numel() for name in names)
    pieces: tuple[Tensor, ...] = x.split(max(1, _NUMBERS_AT_A_TIME // size) * group_size)
    return pieces


def vmapped_gradients(
    model: GenerativeModel, x: Tensor, group_size: int, names: Sequence[str]
) -> dict[str, Tensor]:
    """Return the gradients of some parameters by torch.func, {parameter name: (groups, *shape)}, all at once.

    Args:
        model: in evaluation mode.
        x: images (B, C, H, W).
        group_size: of images.
        names: of the parameters.

    Raises:
        RuntimeError: or another error of torch.func, if the model does something that it cannot trace.
    """
    parameters = trainable_parameters(model)
    chosen = {f"model.{name}": parameters[name].detach() for name in names}
    module = _LogProb(model)

    def log_prob(values: dict[str, Tensor], group: Tensor) -> Tensor:
        summed: Tensor = functional_call(module, values, group)
        return summed

    groups = x.reshape(group_count(len(x), group_size), group_size, *x.shape[1:])
    with torch.enable_grad(), _AnyMemoryFormat():
        found = vmap(grad(log_prob), in_dims=(None, 0))(chosen, groups)
    # All other parameters would keep the whole pass alive.
    return {name: found[f"model.{name}"].detach() for name in names}


class _LogProb(nn.Module):
    """A model whose forward is log_prob, which is what `functional_call` calls."""

    def __init__(self, model: GenerativeModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        return self.model.log_prob(x).sum()


class _AnyMemoryFormat(TorchFunctionMode):
    """Lets tensors lie in memory as they do: vmap knows no channels-last format."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func is Tensor.contiguous and kwargs:
            return func(*args)
        return func(*args, **kwargs)
