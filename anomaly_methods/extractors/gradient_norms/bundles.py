"""Gradients that have to be pulled back together, since their roots share parameters."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from torch import Tensor

from anomaly_methods.extractors.gradient_norms.graph import bits_of
from anomaly_methods.extractors.gradient_norms.per_group import DenseGradient, PerGroupGradient, Stack
from anomaly_methods.extractors.gradient_norms.programs import Compiled, Programs
from anomaly_methods.extractors.gradient_norms.pull_back import pull_back

__all__ = ["Bundle", "bundles_of", "pulled_back"]

Key = TypeVar("Key", bound=Hashable)
Found = Iterator[tuple[int, PerGroupGradient]]  # id of a parameter, its gradient

# Numbers of gradients that are pulled back at a time: those that stay in a processor's cache. Bundles of less
# wait for the end of the backward pass, for others of the same structure.
_AT_A_TIME = 1 << 18


class Bundle:
    """Roots that share parameters with each other and with no other root.

    Args:
        leaves: the parameters that they are computed from, as in `Graph`.
    """

    def __init__(self, leaves: int) -> None:
        self.leaves = leaves
        self.expected = 0  # how many gradients will come
        self.roots: list[Tensor] = []
        self.gradients: list[Tensor] = []

    def add(self, root: Tensor, gradient: Tensor) -> None:
        """Take in the gradient of one root, (groups, *root.shape)."""
        self.roots.append(root)
        self.gradients.append(gradient)

    def taken(self) -> tuple[list[Tensor], list[Tensor]]:
        """Return roots and gradients, and be empty."""
        taken = self.roots, self.gradients
        self.roots, self.gradients = [], []
        return taken

    @property
    def size(self) -> int:
        """How many numbers its gradients have."""
        return sum(gradient.numel() for gradient in self.gradients)

    @property
    def should_not_wait(self) -> bool:
        """Whether it is large, and all gradients are there."""
        return len(self.roots) == self.expected and self.size > _AT_A_TIME


def pulled_back(bundles: Iterable[Bundle], parameters: Mapping[int, Tensor], programs: Programs) -> Found:
    """Pull back what the bundles hold, and empty them.

    Args:
        bundles: that need not have all their gradients.
        parameters: those whose gradients are wanted, with their bits in `Graph`.
        programs: of earlier batches, and for later ones.
    """
    together: dict[int, list[tuple[Compiled, Bundle]]] = {}
    others = Bundle(0)
    for bundle in bundles:
        graph = programs.compiled(bundle.roots)
        if graph is not None:
            together.setdefault(id(graph.program), []).append((graph, bundle))
            continue
        others.leaves |= bundle.leaves
        roots, gradients = bundle.taken()
        others.roots += roots
        others.gradients += gradients
    for members in together.values():
        count = max(1, _AT_A_TIME // members[0][1].size)
        for start in range(0, len(members), count):
            yield from _run(members[start : start + count], programs)
    yield from _by_autograd(others, [parameters[bit] for bit in bits_of(others.leaves)])


def _run(members: Sequence[tuple[Compiled, Bundle]], programs: Programs) -> Found:
    graphs = [graph for graph, _ in members]
    found = graphs[0].program.run(programs.saved(graphs), [bundle.taken()[1] for _, bundle in members])
    for number, gradients in enumerate(found):
        stack = Stack(gradients)
        for place, graph in enumerate(graphs):
            yield graph.parameters[number], stack.gradient(place)


def _by_autograd(bundle: Bundle, parameters: list[Tensor]) -> Found:
    if not bundle.roots or not parameters:
        return
    found = pull_back(bundle.roots, bundle.gradients, parameters)
    for parameter, gradient in zip(parameters, found, strict=True):
        yield id(parameter), DenseGradient(gradient)


def bundles_of(leaves: Mapping[Key, int]) -> dict[Key, Bundle]:
    """Sort roots into bundles.

    Args:
        leaves: root -> the parameters that it is computed from, as in `Graph`; without any, it has no bundle.
    """
    whole_of: dict[int, int] = {}  # parameter -> all parameters of its bundle
    for behind in leaves.values():
        whole = behind
        for bit in bits_of(behind):
            whole |= whole_of.get(bit, 0)
        whole_of.update(dict.fromkeys(bits_of(whole), whole))
    bundles: dict[int, Bundle] = {}
    found: dict[Key, Bundle] = {}
    for key, behind in leaves.items():
        if behind:
            whole = whole_of[behind & -behind]
            found[key] = bundles.setdefault(whole, Bundle(whole))
            found[key].expected += 1
    return found
