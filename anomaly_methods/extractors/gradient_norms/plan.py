"""What happens to the gradient of each use: it is measured, or pulled back to parameters first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from anomaly_methods.extractors.gradient_norms.bundles import Bundle, bundles_of, pulled_back
from anomaly_methods.extractors.gradient_norms.graph import Graph
from anomaly_methods.extractors.gradient_norms.measures import Measure
from anomaly_methods.extractors.gradient_norms.per_group import PerGroupGradient
from anomaly_methods.extractors.gradient_norms.trace import Trace, Use

__all__ = ["Plan"]


class Plan:
    """Takes the gradient of every use during the backward pass and has it measured.

    Where a parameter has one use, as itself or times a factor per row, it is measured at once, for norms
    without forming the gradient where that is dearer. All others are formed, pulled back to the parameters
    and summed over the uses first, so that a module that is called several times is right.

    Args:
        trace: of the forward pass.
        graph: of all parameters of the model.
        wanted: the parameters to measure, by name.
        measure: what to take of the gradients of one parameter.
    """

    def __init__(self, trace: Trace, graph: Graph, wanted: Mapping[str, Tensor], measure: Measure) -> None:
        self._found: dict[str, Tensor] = {}
        self._measure = measure
        self._names = {id(parameter): name for name, parameter in wanted.items()}
        self._wanted = {graph.leaves(parameter): parameter for parameter in wanted.values()}
        all_wanted = sum(self._wanted)
        alone = _in_one_of([graph.leaves(use.root) for use in trace.uses]) & all_wanted
        self._direct = {
            use: parameter
            for use in trace.uses
            if (parameter := _single_parameter(use, graph)) is not None and graph.leaves(parameter) & alone
        }
        roots = {use: self._root_to_pull_back(use) for use in trace.uses}
        self._bundles: dict[Use, Bundle] = bundles_of(
            {use: graph.leaves(root) & all_wanted for use, root in roots.items() if root is not None}
        )

    def deliver(self, use: Use, gradient: PerGroupGradient) -> None:
        """Take the gradient of one use."""
        parameter, bundle = self._direct.get(use), self._bundles.get(use)
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
        bundles = dict.fromkeys(self._bundles.values())
        self._take_all(bundle for bundle in bundles if bundle.roots)
        return self._found

    def _add(self, bundle: Bundle, root: Tensor, gradient: Tensor) -> None:
        bundle.add(root, gradient)
        if bundle.should_not_wait:
            self._take_all([bundle])

    def _take_all(self, bundles: Iterable[Bundle]) -> None:
        for key, gradient in pulled_back(bundles, self._wanted):
            if key in self._names:
                self._take(key, gradient)

    def _take(self, key: int, gradient: PerGroupGradient, scale: Tensor | None = None) -> None:
        name = self._names[key]
        self._found[name] = self._measure(name, gradient, scale)

    def _root_to_pull_back(self, use: Use) -> Tensor | None:
        if use not in self._direct:
            return use.root
        if use.product is None or not use.product.factor.requires_grad:
            return None
        return use.product.factor


def _in_one_of(sets: list[int]) -> int:
    """Return what is in exactly one of the sets."""
    once = twice = 0
    for one in sets:
        once, twice = once | one, twice | (once & one)
    return once & ~twice


def _single_parameter(use: Use, graph: Graph) -> Tensor | None:
    """Return the parameter whose gradient this use gives, up to a factor per row, if there is one."""
    if use.product is None:
        return use.root if use.root.is_leaf else None
    parameter = use.product.parameter
    return None if graph.leaves(parameter) & graph.leaves(use.product.factor) else parameter
