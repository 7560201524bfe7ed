"""A tap on the output of a convolution or linear layer, which meets its gradient in the backward pass."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from anomaly_methods.extractors.gradient_norms.convolution_gradient import Convolution, convolution_gradient
from anomaly_methods.extractors.gradient_norms.parameters import groups_of
from anomaly_methods.extractors.gradient_norms.per_group import DenseGradient
from anomaly_methods.extractors.gradient_norms.trace import KeptOutput, Trace, Use

__all__ = ["Tap"]

_CACHED_NUMBERS = 1 << 18


class Tap:
    """Keeps the input of a layer until the gradient of its output comes by.

    Args:
        trace: where the gradients go.
        weight: the use of the layer's weight, if it has a gradient.
        bias: the use of its bias, if there is one with a gradient.
        convolution: settings; a linear layer is one without sides.
        transposed: whether it is a transposed convolution.
        channel: dimension of the channels, 1 or -1.
    """

    def __init__(
        self,
        trace: Trace,
        weight: Use | None,
        bias: Use | None,
        convolution: Convolution,
        *,
        transposed: bool,
        channel: int,
    ) -> None:
        self._trace = trace
        self._weight = weight
        self._bias = bias
        self._convolution = convolution
        self._transposed = transposed
        self._channel = channel
        self._input: Tensor | None = None
        self._version = 0
        self._output: KeptOutput | None = None
        self._bias_values: Tensor | None = None

    def watch(self, image: Tensor, result: Tensor, bias: Tensor | None) -> None:
        """Keep the input and wait for the gradient of the result."""
        if not result.requires_grad:
            return
        self._input = image.detach()
        self._version = image._version
        if self._weight is not None and self._weight.product is not None and not self._transposed:
            self._output = self._trace.kept(result)
            self._bias_values = None if bias is None else bias.detach()
        result.register_hook(self._receive)

    def _receive(self, gradient: Tensor) -> None:
        image, self._input = self._input, None
        if image is None:
            raise RuntimeError("The backward pass came by the same layer twice.")
        if image._version != self._version:
            raise RuntimeError("The input of a layer was changed in place after the layer had read it.")
        output, self._output = self._output, None
        image, gradient = self._with_channels_second(image), self._with_channels_second(gradient)
        if self._bias is not None:
            total = groups_of(gradient.flatten(2).sum(dim=2), self._trace.groups)
            self._trace.deliver(self._bias, DenseGradient(total))
        if self._weight is not None:
            wide, narrow = (gradient, image) if self._transposed else (image, gradient)
            known = None if output is None else partial(self._row_products, output, gradient)
            found = convolution_gradient(
                wide,
                narrow,
                self._convolution,
                self._trace.groups,
                self._trace.memory.scratch,
                row_products=known,
            )
            self._trace.deliver(self._weight, found)

    def _row_products(self, output: KeptOutput, gradient: Tensor, _weight: Tensor) -> Tensor | None:
        """Take <weight[n], gradient of row n> from the output y, for `y = factor * (x * weight) + bias`.

        It is the sum over positions of `gradient * (y - bias)`, over the factor.
        """
        product = None if self._weight is None else self._weight.product
        if product is None or not output.is_valid or not product.factor.all():
            return None
        # A few images at a time, so that what is computed on the way stays in the processor's cache.
        count = max(1, _CACHED_NUMBERS // gradient[0].numel())
        pieces = zip(gradient.split(count), output.values.split(count), strict=True)
        sums = torch.cat([self._products(g, y) for g, y in pieces])
        return groups_of(sums, self._trace.groups) / product.factor.detach().flatten()

    def _products(self, gradient: Tensor, output: Tensor) -> Tensor:
        """Sum `gradient * (y - bias)` over positions: (B, C)."""
        without_bias = self._with_channels_second(output)
        if self._bias_values is not None:
            shape = (-1, *(1 for _ in without_bias.shape[2:]))
            without_bias = without_bias - self._bias_values.reshape(shape)
        return (gradient * without_bias).flatten(2).sum(dim=2)

    def _with_channels_second(self, x: Tensor) -> Tensor:
        """Write (B, *positions, C) as (B, C, P) for a linear layer."""
        if self._channel == 1:
            return x
        return x.reshape(x.shape[0], -1, x.shape[-1]).transpose(1, 2)
