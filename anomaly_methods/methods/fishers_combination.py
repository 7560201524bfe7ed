"""Several methods as one: their p-values combined by Fisher's method."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from anomaly_methods.methods.base import AnomalyMethod, Scorer, require_finite
from anomaly_methods.methods.gradient_norms import require_groups
from anomaly_methods.methods.sources import assemble, taken_apart
from anomaly_methods.methods.tails import UpperTail
from anomaly_methods.statistics import Statistics

__all__ = ["CombinationScorer", "FishersCombination"]


class FishersCombination(AnomalyMethod):
    """Score `-2 sum_m log p_m(x)` over the member methods m.

    One half of the reference fits the members. The other gives p_m(x), the probability that an
    in-distribution group scores at least as high (`UpperTail`): members keep their direction, no member's
    unit matters, and no anomaly is needed. The members depend on each other, so the score is not
    chi-square; `anomaly_methods.calibration` gives p-values that hold all the same.

    References:
        Statistical Methods for Research Workers (Fisher, 1932), section 21.1.
    """

    fits: ClassVar[bool] = True
    requires: ClassVar[tuple[str, ...]] = ()
    least_groups: ClassVar[int] = 20

    @property
    @abstractmethod
    def members(self) -> Sequence[AnomalyMethod]:
        """The methods that are combined; `sources` holds all of theirs."""

    def part(self, member: AnomalyMethod, statistics: Statistics) -> Statistics:
        """Return what a member needs of the joined statistics."""
        return assemble(member.sources, taken_apart(statistics, self.sources))

    def _fit(self, reference: Statistics) -> Scorer:
        require_groups(self.name, reference, self.least_groups)
        first, second = reference.halves()
        fitted = {m.name: (m, m.fit(self.part(m, first))) for m in self.members}
        tails = {}
        for name, (member, scorer) in fitted.items():
            scores = scorer.score(self.part(member, second))
            require_finite(scores, name)
            tails[name] = UpperTail(scores, name)
        return CombinationScorer(self, reference, fitted, tails)

    def _lack(self, statistics: Statistics) -> str | None:
        if set(statistics.meta.sources) != set(self.sources):
            wanted = ", ".join(f"{kind} of the {role} model" for role, kind in self.sources.values())
            found = ", ".join(statistics.meta.sources) or f"{statistics.meta.kind} only"
            return f"Method {self.name} needs statistics joined of {wanted}, but got {found}."
        lacks = (member.unmet(taken_apart(statistics, self.sources)) for member in self.members)
        lack = next((sentence for sentence in lacks if sentence is not None), None)
        return f"Method {self.name} combines several: {lack}" if lack else None


class CombinationScorer(Scorer):
    """A fitted combination.

    Attributes:
        members: {name: scorer} of the fitted members.
    """

    def __init__(
        self,
        method: FishersCombination,
        reference: Statistics,
        fitted: Mapping[str, tuple[AnomalyMethod, Scorer]],
        tails: Mapping[str, UpperTail],
    ) -> None:
        super().__init__(reference.meta)
        self.members = {name: scorer for name, (_, scorer) in fitted.items()}
        self._method = method
        self._fitted = fitted
        self._tails = tails

    def _score(self, statistics: Statistics) -> NDArray[np.float64]:
        total = np.zeros(len(statistics))
        for name, (member, scorer) in self._fitted.items():
            total -= 2 * self._tails[name].log_p(scorer.score(self._method.part(member, statistics)))
        return total
