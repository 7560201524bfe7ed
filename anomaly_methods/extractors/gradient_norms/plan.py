"""What happens to the gradient of each use: it is measured, or pulled back to parameters first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from torch import Tensor

from anomaly_methods.extractors.gradient_norms.bundles import Bundle, bundles_of
from anomaly_methods.extractors.gradient_norms.graph import Leaves
from anomaly_methods.extractors.gradient_norms.measures import Measure
from anomaly_methods.extractors.gradient_norms.per_group import DenseGradient, PerGroupGradient
from anomaly_methods.extractors.gradient_norms.trace import Trace, Use

__all__ = ["Plan"]


class Plan:
    """Takes the gradient of every use during the backward pass and has it measured.

    Where a parameter has one use, as itself or times a factor per row, it is measured at once, for norms
    without forming the gradient where that is dearer. All others are formed, pulled back to the parameters
    and summed over the uses first, so that a module that is called several times is right.

    Args:
        trace: of the forward pass.
        wanted: the parameters to measure, by name.
        measure: what to take of the gradients of one parameter.
    """

    def __init__(self, trace: Trace, wanted: Mapping[str, Tensor], measure: Measure) -> None:
        self._found: dict[str, Tensor] = {}
        self._measure = measure
        self._names = {id(parameter): name for name, parameter in wanted.items()}
        wanted_ids = self._names.keys()
        leaves = Leaves()
        counts = Counter(leaf for use in trace.uses for leaf in leaves.of(use.root))
        self._direct: dict[Use, Tensor] = {}
        for use in trace.uses:
            parameter = _single_parameter(use, counts, leaves)
            if parameter is not None and id(parameter) in wanted_ids:
                self._direct[use] = parameter
        roots = {use: self._root_to_pull_back(use) for use in trace.uses}
        self._bundles: dict[Use, Bundle] = bundles_of(
            {
                use: (root, [leaf for key, leaf in leaves.of(root).items() if key in wanted_ids])
                for use, root in roots.items()
                if root is not None
            }
        )

    def deliver(self, use: Use, gradient: PerGroupGradient) -> None:
        """Take the gradient of one use."""
        parameter, bundle = self._direct.get(use), self._bundles.get(use)
        if parameter is None:
            if bundle is not None:
                bundle.add(use.root, gradient.full())
        elif use.product is None:
            self._take(id(parameter), gradient)
        else:
            factor = use.product.factor
            self._take(id(parameter), gradient, factor.detach().flatten())
            if bundle is not None:
                products = gradient.row_products(parameter.detach())
                bundle.add(factor, products.reshape(len(products), *factor.shape))
        if bundle is not None and bundle.is_large and bundle.is_complete:
            self._take_all(bundle)

    def measured(self) -> dict[str, Tensor]:
        """Return {name: (groups,)} of what any image reached, after the backward pass."""
        rest = [bundle for bundle in dict.fromkeys(self._bundles.values()) if not bundle.is_done]
        self._take_all(Bundle.joined(rest))
        return self._found

    def _take_all(self, bundle: Bundle) -> None:
        for key, gradient in bundle.gradients().items():
            self._take(key, DenseGradient(gradient))

    def _take(self, key: int, gradient: PerGroupGradient, scale: Tensor | None = None) -> None:
        name = self._names[key]
        self._found[name] = self._measure(name, gradient, scale)

    def _root_to_pull_back(self, use: Use) -> Tensor | None:
        if use not in self._direct:
            return use.root
        if use.product is None or not use.product.factor.requires_grad:
            return None
        return use.product.factor


def _single_parameter(use: Use, counts: Counter[int], leaves: Leaves) -> Tensor | None:
    """Return the parameter whose gradient this use alone gives, up to a factor per row."""
    if use.product is None:
        return use.root if use.root.is_leaf and counts[id(use.root)] == 1 else None
    parameter = use.product.parameter
    is_alone = counts[id(parameter)] == 1 and id(parameter) not in leaves.of(use.product.factor)
    return parameter if is_alone else None
