"""What is taken of each tensor's per-group gradients while they exist."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from anomaly_methods.extractors.gradient_norms.per_group import PerGroupGradient

__all__ = ["Measure", "Visitor", "squared_norm", "visiting"]

Measure = Callable[[str, PerGroupGradient, Tensor | None], Tensor]
"""From the name of a parameter, the gradient per group and perhaps a factor per row of it: (groups,)."""

Visitor = Callable[[str, Tensor], Tensor]
"""From the name of a parameter and its gradients (groups, *shape), which it may not keep: (groups,)."""


def squared_norm(_name: str, gradient: PerGroupGradient, scale: Tensor | None) -> Tensor:
    """Return the squared norms, where possible without forming the gradient."""
    return gradient.squared_norm(scale)


def visiting(visitor: Visitor) -> Measure:
    """Return the measure that forms the gradients and shows them to a visitor."""

    def measure(name: str, gradient: PerGroupGradient, scale: Tensor | None) -> Tensor:
        gradients = gradient.full()
        if scale is not None:
            gradients = gradients * scale.reshape(-1, *(1 for _ in gradients.shape[2:]))
        return visitor(name, gradients)

    return measure
