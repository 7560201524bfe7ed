"""A tap on the output of a convolution or linear layer, which meets its gradient in the backward pass."""

from __future__ import annotations

from torch import Tensor

from anomaly_methods.extractors.gradient_norms.convolution_gradient import Convolution, convolution_gradient
from anomaly_methods.extractors.gradient_norms.parameters import groups_of
from anomaly_methods.extractors.gradient_norms.per_group import DenseGradient
from anomaly_methods.extractors.gradient_norms.trace import Trace, Use

__all__ = ["Tap"]


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

    def watch(self, image: Tensor, result: Tensor) -> None:
        """Keep the input and wait for the gradient of the result."""
        if not result.requires_grad:
            return
        self._input = image.detach()
        self._version = image._version
        result.register_hook(self._receive)

    def _receive(self, gradient: Tensor) -> None:
        image, self._input = self._input, None
        if image is None:
            raise RuntimeError("The backward pass came by the same layer twice.")
        if image._version != self._version:
            raise RuntimeError("The input of a layer was changed in place after the layer had read it.")
        image, gradient = self._with_channels_second(image), self._with_channels_second(gradient)
        if self._bias is not None:
            total = gradient.flatten(2).sum(dim=2)
            self._trace.deliver(self._bias, DenseGradient(groups_of(total, self._trace.groups)))
        if self._weight is not None:
            wide, narrow = (gradient, image) if self._transposed else (image, gradient)
            found = convolution_gradient(wide, narrow, self._convolution, self._trace.groups)
            self._trace.deliver(self._weight, found)

    def _with_channels_second(self, x: Tensor) -> Tensor:
        """Write (B, *positions, C) as (B, C, P) for a linear layer."""
        if self._channel == 1:
            return x
        return x.reshape(x.shape[0], -1, x.shape[-1]).transpose(1, 2)
