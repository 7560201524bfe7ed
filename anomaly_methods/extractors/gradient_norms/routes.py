"""Where the gradient of every use goes, which is the same for all batches while the parameters stay."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from torch import Tensor

from anomaly_methods.extractors.gradient_norms.bundles import Bundle, bundles_of
from anomaly_methods.extractors.gradient_norms.graph import Graph
from anomaly_methods.extractors.gradient_norms.programs import Programs
from anomaly_methods.extractors.gradient_norms.trace import Use

__all__ = ["Routes"]


class Routes:
    """For each use the parameter whose gradient it gives, or the roots with which it is pulled back.

    Args:
        uses: in the order of the forward pass.
        graph: of all parameters of the model.
        wanted: the parameters to measure, by name.
    """

    def __init__(self, uses: Sequence[Use], graph: Graph, wanted: Mapping[str, Tensor]) -> None:
        # Kept, so that no other tensor can take their place.
        self._uses = [(use.root, use.version, use.product) for use in uses]
        self._wanted = list(wanted)
        self.names = {id(parameter): name for name, parameter in wanted.items()}
        self.parameters = {graph.leaves(parameter): parameter for parameter in wanted.values()}
        all_wanted = sum(self.parameters)
        alone = _in_one_of([graph.leaves(use.root) for use in uses]) & all_wanted
        singles = [_single_parameter(use, graph) for use in uses]
        self.direct = [
            parameter if parameter is not None and graph.leaves(parameter) & alone else None
            for parameter in singles
        ]
        waiting = map(_root_to_pull_back, uses, self.direct)
        leaves = [0 if root is None else graph.leaves(root) & all_wanted for root in waiting]
        bundles = bundles_of({number: behind for number, behind in enumerate(leaves) if behind})
        self._bundles = [bundles.get(number) for number in range(len(uses))]
        self.programs = Programs()

    def are_for(self, uses: Sequence[Use], wanted: Collection[str]) -> bool:
        """Whether the same roots are used in the same ways and order, and the same parameters are wanted."""
        if len(uses) != len(self._uses) or self._wanted != list(wanted):
            return False
        return all(
            use.root is root and use.version == version and use.product is product
            for use, (root, version, product) in zip(uses, self._uses, strict=True)
        )

    def fresh_bundles(self) -> list[Bundle | None]:
        """Return, for each use, the bundle that waits for its gradient; all are empty."""
        for bundle in self._bundles:
            if bundle is not None:
                bundle.taken()  # what a pass that failed has left
        return self._bundles


def _in_one_of(sets: Iterable[int]) -> int:
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


def _root_to_pull_back(use: Use, direct: Tensor | None) -> Tensor | None:
    """Return that whose gradient is pulled back: what is not measured at once, and factors of what is."""
    if direct is None:
        return use.root
    if use.product is None or not use.product.factor.requires_grad:
        return None
    return use.product.factor
