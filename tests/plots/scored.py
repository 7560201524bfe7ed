"""Scores with known AUROCs, for the tests of figures and tables of scores."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from plots.scoring import ScoredSets
from tests.plots.examples import likelihood

__all__ = ["scored"]


def scored(
    model: str, method: str, in_distribution: str, shares: dict[str, float], *, extra: Sequence[float] = ()
) -> ScoredSets:
    """Return scores 0..9 of the in-distribution set, and sets whose AUROC against it are given shares.

    A share of the scores lies above all of these, the rest below; `extra` scores go to the last set.
    """
    sets = {in_distribution: np.arange(10.0)}
    for name, share in shares.items():
        above = round(20 * share)
        sets[name] = np.array([100.0] * above + [-100.0] * (20 - above))
    last = list(sets)[-1]
    sets[last] = np.append(sets[last], extra)
    return ScoredSets(model, method, sets, likelihood(in_distribution, group_size=5).meta)
