"""Gradients that have to be pulled back together, since their roots share parameters."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import TypeVar

from torch import Tensor

from anomaly_methods.extractors.gradient_norms.pull_back import pull_back

__all__ = ["Bundle", "bundles_of"]

Key = TypeVar("Key", bound=Hashable)

_LARGE = 1 << 16  # numbers in one root; smaller bundles wait and are pulled back in one go


class Bundle:
    """Roots that share parameters with each other and with no other root.

    Args:
        parameters: that the roots are computed from.
        expected: how many gradients will come.
        is_large: whether it should be done with as soon as they have.
    """

    def __init__(self, parameters: Iterable[Tensor], expected: int, *, is_large: bool) -> None:
        self._parameters = {id(parameter): parameter for parameter in parameters}
        self._expected = expected
        self.is_large = is_large
        self.is_done = False
        self._roots: list[Tensor] = []
        self._gradients: list[Tensor] = []

    @classmethod
    def joined(cls, bundles: Iterable[Bundle]) -> Bundle:
        """Return one bundle of what several have collected."""
        whole = cls((), 0, is_large=False)
        for bundle in bundles:
            whole._parameters |= bundle._parameters
            whole._roots += bundle._roots
            whole._gradients += bundle._gradients
        return whole

    @property
    def is_complete(self) -> bool:
        """Whether all gradients are there."""
        return len(self._roots) == self._expected

    def add(self, root: Tensor, gradient: Tensor) -> None:
        """Take in the gradient of one root, (groups, *root.shape)."""
        self._roots.append(root)
        self._gradients.append(gradient)

    def gradients(self) -> dict[int, Tensor]:
        """Pull back and return {id of parameter: (groups, *shape)}."""
        self.is_done = True
        if not self._roots or not self._parameters:
            return {}
        found = pull_back(self._roots, self._gradients, list(self._parameters.values()))
        self._roots, self._gradients = [], []
        return dict(zip(self._parameters, found, strict=True))


def bundles_of(roots: Mapping[Key, tuple[Tensor, list[Tensor]]]) -> dict[Key, Bundle]:
    """Sort uses into bundles.

    Args:
        roots: use -> (root, the parameters it is computed from).
    """
    members: dict[int, list[Key]] = {}  # parameter -> uses of its bundle; one list object for each bundle
    for key, (_, parameters) in roots.items():
        joined = {id(members[id(p)]): members[id(p)] for p in parameters if id(p) in members}
        uses = [key, *(use for part in joined.values() for use in part)]
        for owner in {id(p) for use in uses for p in roots[use][1]}:
            members[owner] = uses
    return {
        use: bundle for uses in _distinct(members.values()) for use, bundle in _bundle(uses, roots).items()
    }


def _bundle(uses: list[Key], roots: Mapping[Key, tuple[Tensor, list[Tensor]]]) -> dict[Key, Bundle]:
    parameters = [parameter for use in uses for parameter in roots[use][1]]
    is_large = max(roots[use][0].numel() for use in uses) >= _LARGE
    return dict.fromkeys(uses, Bundle(parameters, len(uses), is_large=is_large))


def _distinct(lists: Iterable[list[Key]]) -> Iterable[list[Key]]:
    return {id(found): found for found in lists}.values()
