"""How rare a score is among in-distribution scores, also beyond the highest of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["UpperTail"]


class UpperTail:
    """Probability of an in-distribution score at least as high as a given one.

    Up to the 90 % quantile u it is the share of the reference, linear between its scores. Beyond u it is the
    share above u times exp(-(s - u) / m), m the mean excess over u: scores are told apart also where no
    score of the reference is as high, and none becomes infinitely rare.

    Args:
        reference: in-distribution scores (n,), n >= 10, finite.
        name: what to call them in errors.

    Raises:
        ValueError: the scores are all the same.

    References:
        Statistical inference using extreme order statistics (Pickands, 1975): excesses over a high threshold,
        here of shape 0.
    """

    def __init__(self, reference: NDArray[np.float64], name: str) -> None:
        ordered = np.sort(reference)
        above = len(ordered) // 10
        self._threshold = float(ordered[-above - 1])
        # Ties among the highest scores leave no excess; the deviation of all is then the scale there is.
        excess = float(ordered[-above:].mean()) - self._threshold
        self._scale = excess if excess > 0 else float(ordered.std())
        if self._scale == 0:
            raise ValueError(f"Scores of {name} are the same for all {len(ordered)} in-distribution groups.")
        self._scores, first = np.unique(ordered, return_index=True)
        self._log_shares = np.log((len(ordered) - first + 1) / (len(ordered) + 1))
        self._log_share = float(np.interp(self._threshold, self._scores, self._log_shares))

    def log_p(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the logarithm of the probability (N,); 0 below all of the reference, NaN for NaN."""
        body = np.interp(scores, self._scores, self._log_shares)
        beyond = self._log_share - (scores - self._threshold) / self._scale
        return np.where(scores > self._threshold, beyond, body)
