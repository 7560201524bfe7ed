"""What happens to the gradient of each use: it is measured, or pulled back to parameters first."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from anomaly_methods.extractors.gradient_norms.bundles import Bundle, pulled_back
from anomaly_methods.extractors.gradient_norms.measures import Measure
from anomaly_methods.extractors.gradient_norms.per_group import PerGroupGradient
from anomaly_methods.extractors.gradient_norms.routes import Routes
from anomaly_methods.extractors.gradient_norms.trace import Use

__all__ = ["Plan"]


class Plan:
    """Takes the gradient of every use during the backward pass and has it measured.

    Where a parameter has one use, as itself or times a factor per row, it is measured at once, for norms
    without forming the gradient where that is dearer. All others are formed, pulled back to the parameters
    and summed over the uses first, so that a module that is called several times is right.

    Args:
        routes: where the gradients go.
        measure: what to take of the gradients of one parameter.
    """

    def __init__(self, routes: Routes, measure: Measure) -> None:
        self._found: dict[str, Tensor] = {}
        self._measure = measure
        self._routes = routes
        self._bundles = routes.fresh_bundles()

    def deliver(self, use: Use, gradient: PerGroupGradient) -> None:
        """Take the gradient of one use."""
        parameter, bundle = self._routes.direct[use.number], self._bundles[use.number]
        if parameter is None:
            if bundle is not None:
                self._add(bundle, use.root, gradient.full())
        elif use.product is None:
            self._take(id(parameter), gradient)
        else:
            factor = use.product.factor
            self._take(id(parameter), gradient, factor.detach().flatten())
            if bundle is not None:
                products = gradient.row_products(parameter.detach())
                self._add(bundle, factor, products.reshape(len(products), *factor.shape))

    @torch.no_grad()
    def measured(self) -> dict[str, Tensor]:
        """Return {name: (groups,)} of what any image reached, after the backward pass."""
        bundles = dict.fromkeys(bundle for bundle in self._bundles if bundle is not None)
        self._take_all(bundle for bundle in bundles if bundle.roots)
        return self._found

    def _add(self, bundle: Bundle, root: Tensor, gradient: Tensor) -> None:
        bundle.add(root, gradient)
        if bundle.should_not_wait:
            self._take_all([bundle])

    def _take_all(self, bundles: Iterable[Bundle]) -> None:
        for key, gradient in pulled_back(bundles, self._routes.parameters, self._routes.programs):
            if key in self._routes.names:
                self._take(key, gradient)

    def _take(self, key: int, gradient: PerGroupGradient, scale: Tensor | None = None) -> None:
        name = self._routes.names[key]
        self._found[name] = self._measure(name, gradient, scale)
