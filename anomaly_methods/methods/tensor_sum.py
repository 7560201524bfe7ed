"""Methods whose score is the sum of one value per parameter tensor."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from anomaly_methods.methods.base import FormulaMethod
from anomaly_methods.methods.gradient_norms import require_kind
from anomaly_methods.statistics import Statistics

__all__ = ["TensorSum"]


class TensorSum(FormulaMethod):
    """Score `sum_l f_l`, f_l what the statistics of its one source hold for tensor l."""

    requires: ClassVar[tuple[str, ...]] = ()

    def formula(self, statistics: Statistics) -> NDArray[np.float64]:
        total: NDArray[np.float64] = np.stack(list(statistics.values.values())).sum(axis=0)
        return total

    def _lack(self, statistics: Statistics) -> str | None:
        return super()._lack(statistics) or require_kind(self, statistics.meta)
