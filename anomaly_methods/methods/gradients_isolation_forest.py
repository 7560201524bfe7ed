"""An isolation forest on log squared gradient norms."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from anomaly_methods.methods.gradient_norms import GradientMethod, LogNorms, ScoreFunction, finite_rows_only

__all__ = ["GradientsIsolationForest"]


class GradientsIsolationForest(GradientMethod):
    """Score `2^(-E[h(x)] / c)` in (0, 1), h(x) the number of random splits that part x from the reference.

    c is the mean of h for random groups. 200 trees of at most 256 groups each; the seed is fixed, so the same
    reference gives the same forest. Scaling of features does not matter.

    References:
        Isolation Forest (Liu, Ting & Zhou, 2008). Features: Approximations to the Fisher Information Metric
        of Deep Generative Models for Out-Of-Distribution Detection (Dauncey et al., 2024), arXiv 2403.01485.
    """

    name: ClassVar[str] = "gradients_L2_norms_isolation_forest"
    summary: ClassVar[str] = "isolation forest on log f_l"
    trees: ClassVar[int] = 200
    most_groups_per_tree: ClassVar[int] = 256

    def learn(self, reference: LogNorms) -> ScoreFunction:
        from sklearn.ensemble import IsolationForest

        size = min(self.most_groups_per_tree, len(reference.values))
        forest = IsolationForest(n_estimators=self.trees, max_samples=size, random_state=0)
        forest.fit(reference.values)

        def score(features: NDArray[np.float64]) -> NDArray[np.float64]:
            return -np.asarray(forest.score_samples(features), np.float64)

        return finite_rows_only(score)
