"""Convolutions, transposed ones and linear layers: a tap on the output meets the input that was kept."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from torch import Tensor

from anomaly_methods.extractors.gradient_norms.calls import Call
from anomaly_methods.extractors.gradient_norms.convolution_gradient import Convolution
from anomaly_methods.extractors.gradient_norms.tap import Tap

__all__ = ["convolution", "linear"]

_PLAIN = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
_OPTIONS = (("stride", 1), ("padding", 0), ("dilation", 1), ("groups", 1))
_TRANSPOSED = ("input", "weight", "bias", "stride", "padding", "output_padding", "groups", "dilation")


def convolution(call: Call) -> Any:
    """Run a convolution and tap its output."""
    transposed = call.name.startswith("conv_transpose")
    arguments = call.arguments(_TRANSPOSED if transposed else _PLAIN)
    options = [arguments.get(name, usual) for name, usual in _OPTIONS]
    settings = _settings(tuple(arguments["weight"].shape), *map(_frozen, options))
    return _tapped(call, arguments, settings, transposed=transposed, channel=1)


def linear(call: Call) -> Any:
    """Run a linear layer, which is a convolution whose positions are all but the first and last dimension."""
    arguments = call.arguments(("input", "weight", "bias"))
    settings = Convolution(tuple(arguments["weight"].shape), (), (), (), 1)
    return _tapped(call, arguments, settings, transposed=False, channel=-1)


def _tapped(
    call: Call, arguments: dict[str, Any], settings: Convolution, *, transposed: bool, channel: int
) -> Any:
    image, weight = arguments["input"], arguments["weight"]
    bias: Any = arguments.get("bias")
    sides = len(settings.shape) - 2
    if call.is_root(image) or image.shape[0] % call.trace.images or (sides and image.dim() != sides + 2):
        return call.give_up(f"{call.name} reads images that are not the rows of a batch")
    result = call.trace.anchored(_run_detached(call, image, weight, bias))
    tap = Tap(
        call.trace,
        call.trace.use(weight, keeps_rows=True) if call.is_root(weight) else None,
        call.trace.use(bias) if call.is_root(bias) else None,
        settings,
        transposed=transposed,
        channel=channel,
    )
    tap.watch(image, result, bias)
    return result


def _run_detached(call: Call, *tensors: Tensor | None) -> Any:
    """Run a layer with input, weight and bias cut off from parameters.

    Nearly all layers get the three by position, and then need no search for tensors among the arguments.
    """
    if len(call.args) < len(tensors):
        return call.run_detached()
    cut = [tensor.detach() if tensor is not None and call.is_root(tensor) else tensor for tensor in tensors]
    return call.func(*cut, *call.args[len(tensors) :], **call.kwargs)


@lru_cache(maxsize=1024)
def _settings(
    shape: tuple[int, ...],
    stride: int | tuple[int, ...],
    padding: str | int | tuple[int, ...],
    dilation: int | tuple[int, ...],
    channel_groups: int,
) -> Convolution:
    sides = len(shape) - 2
    dilations = _per_side(dilation, sides)
    return Convolution(
        shape=shape,
        stride=_per_side(stride, sides),
        padding=_padding(padding, shape[2:], dilations),
        dilation=dilations,
        channel_groups=channel_groups,
    )


def _frozen(option: Any) -> Any:
    return tuple(option) if isinstance(option, list) else option


def _padding(
    padding: str | int | tuple[int, ...], kernel: tuple[int, ...], dilation: tuple[int, ...]
) -> tuple[tuple[int, int], ...]:
    if padding == "same":
        totals = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
        return tuple((total // 2, total - total // 2) for total in totals)
    if isinstance(padding, str):  # "valid"
        padding = 0
    return tuple((side, side) for side in _per_side(padding, len(kernel)))


def _per_side(value: int | tuple[int, ...], sides: int) -> tuple[int, ...]:
    values = (value,) if isinstance(value, int) else tuple(value)
    return values * sides if len(values) == 1 else values
