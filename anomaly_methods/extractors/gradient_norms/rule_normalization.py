"""Normalization layers: normalize without parameters, then scale and shift elementwise."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.nn import functional as F

from anomaly_methods.extractors.gradient_norms.calls import Call

__all__ = ["NORMALIZATIONS", "NORMALIZATION_ARGUMENTS", "normalization"]

NORMALIZATION_ARGUMENTS = {
    "layer_norm": ("input", "normalized_shape", "weight", "bias", "eps"),
    "rms_norm": ("input", "normalized_shape", "weight", "eps"),
    "group_norm": ("input", "num_groups", "weight", "bias", "eps"),
    "instance_norm": (
        "input",
        "running_mean",
        "running_var",
        "weight",
        "bias",
        "use_input_stats",
        "momentum",
        "eps",
    ),
    "batch_norm": ("input", "running_mean", "running_var", "weight", "bias", "training", "momentum", "eps"),
}
NORMALIZATIONS = frozenset(NORMALIZATION_ARGUMENTS)
_OVER_LAST_DIMENSIONS = {"layer_norm", "rms_norm"}


def normalization(call: Call) -> Any:
    """Split off the learned scale and shift, which are elementwise."""
    if getattr(F, call.name) is not call.func:  # such as torch.layer_norm, with other arguments
        return call.give_up(f"no rule covers {call.func}")
    arguments = call.arguments(NORMALIZATION_ARGUMENTS[call.name])
    weight, bias = arguments.pop("weight", None), arguments.pop("bias", None)
    with call.tracing:
        normal = call.func(**arguments)
        normal = normal if weight is None else normal * _aligned(call, weight, normal)
        return normal if bias is None else normal + _aligned(call, bias, normal)


def _aligned(call: Call, values: Tensor, image: Tensor) -> Tensor:
    if call.name in _OVER_LAST_DIMENSIONS:
        return values
    return values.view(-1, *(1 for _ in image.shape[2:]))
