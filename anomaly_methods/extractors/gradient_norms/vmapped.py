"""Gradient norms by torch.func: vmap over groups of the gradient of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap
from torch.overrides import TorchFunctionMode

from anomaly_methods.extractors.gradient_norms.parameters import group_count, trainable_parameters
from anomaly_methods.extractors.gradient_norms.per_group import squared_norms
from models.base import GenerativeModel

__all__ = ["NUMBERS_AT_A_TIME", "vmapped_gradients", "vmapped_squared_norms"]

NUMBERS_AT_A_TIME = 1 << 27
"""Numbers of gradients that exist at once: 512 MB in float32."""


def vmapped_squared_norms(
    model: GenerativeModel, x: Tensor, group_size: int, names: Sequence[str]
) -> dict[str, Tensor]:
    """Compute `squared_gradient_norms` of some parameters with torch.func.

    Args:
        model: in evaluation mode.
        x: images (B, C, H, W).
        group_size: of images.
        names: of the parameters.

    Raises:
        RuntimeError: or another error of torch.func, if the model does something that it cannot trace.
    """
    size = sum(trainable_parameters(model)[name].numel() for name in names)
    pieces = x.split(max(1, NUMBERS_AT_A_TIME // size) * group_size)
    found = []
    for piece in pieces:
        gradients = vmapped_gradients(model, piece, group_size, names)
        found.append({name: squared_norms(gradient) for name, gradient in gradients.items()})
    return {name: torch.cat([part[name] for part in found]) for name in names}


def vmapped_gradients(
    model: GenerativeModel, x: Tensor, group_size: int, names: Sequence[str]
) -> dict[str, Tensor]:
    """Return the gradients themselves, {parameter name: (groups, *shape)}, all of them at once.

    Arguments and errors as for `vmapped_squared_norms`.
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
