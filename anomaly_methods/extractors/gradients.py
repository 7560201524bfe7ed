"""Squared gradient norms of every parameter tensor, as statistics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor

from anomaly_methods.extractors.base import Extractor
from anomaly_methods.extractors.gradient_norms.checks import disagreeing, require_independent_images
from anomaly_methods.extractors.gradient_norms.engine import covered_squared_norms, squared_gradient_norms
from anomaly_methods.extractors.gradient_norms.fallback import say_once
from anomaly_methods.extractors.gradient_norms.known_models import KnownModels
from anomaly_methods.extractors.gradient_norms.parameters import described_parameters
from models.base import GenerativeModel

__all__ = ["GradientExtractor"]


class GradientExtractor(Extractor):
    """`f_l = || grad_l sum_b log p(x_b) ||^2` of every group x_1 ... x_B, one value per parameter tensor l.

    Names are those of the parameters. The first batch of every size under a model is checked: its first group
    is computed by the reference as well, and tensors on which the two differ are computed apart from then on.

    References:
        Approximations to the Fisher Information Metric of Deep Generative Models for Out-Of-Distribution
        Detection (Dauncey et al., 2024), section 3.
    """

    name: ClassVar[str] = "gradients"
    version: ClassVar[int] = 1
    unit: ClassVar[str] = "squared norm of the gradient of nats"
    needs_gradients: ClassVar[bool] = True

    def __init__(self, group_size: int = 1) -> None:
        super().__init__(group_size)
        self._known = KnownModels(self._wrong)

    def __call__(self, model: GenerativeModel, x: Tensor) -> dict[str, Tensor]:
        apart, memory = self._known.ask(model, x)
        return squared_gradient_norms(model, x, self.group_size, apart=apart, memory=memory)

    def details(self, model: GenerativeModel) -> Mapping[str, Any]:
        """Return {name: numel, shape and module type} of every tensor."""
        return described_parameters(model)

    def _wrong(self, model: GenerativeModel, x: Tensor) -> tuple[str, ...]:
        """Return the tensors that the rules get wrong."""
        require_independent_images(model, x)
        found, _ = covered_squared_norms(model, x, self.group_size)
        wrong = disagreeing(model, x, self.group_size, found)
        if wrong:
            name, (value, expected) = next(iter(wrong.items()))
            say_once(
                f"{len(wrong)} tensors of {type(model).__name__} are computed apart, since the rules do not "
                f"fit them: for {name} they give {value:.6g} instead of {expected:.6g}."
            )
        return tuple(wrong)
