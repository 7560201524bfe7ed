"""How often a calibrated method flags normal images, and how far chance moves that from the rate wanted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.stats import betabinom, binom

from anomaly_methods.calibration import calibrate
from anomaly_methods.methods.base import AnomalyMethod
from anomaly_methods.methods.sources import SourceStatistics

__all__ = ["TOGETHER", "Interval", "Realised", "realised_rates"]

TOGETHER = "all together"
_LEVEL = 0.99

Interval = tuple[float, float]


@dataclass(frozen=True)
class Realised:
    """One method at one rate: `flagged` of `tested` normal groups, by `calibrated` other ones."""

    method: str
    rate: float
    flagged: int
    tested: int
    calibrated: int

    @property
    def share(self) -> float:
        """The realised false-positive rate."""
        return self.flagged / self.tested

    @cached_property
    def binomial(self) -> Interval:
        """Where 99 % of the shares lie if each group is flagged with probability `rate`."""
        low, high = binom.interval(_LEVEL, self.tested, self.rate)
        return float(low) / self.tested, float(high) / self.tested

    @cached_property
    def with_calibration(self) -> Interval:
        """Where 99 % of them lie in truth: the threshold, too, hangs on the images that calibrated.

        With scores that do not tie, k = floor(rate (n + 1)) of n + 1 places flag, the probability to be
        flagged follows Beta(k, n + 1 - k) over calibration sets, and the count a beta-binomial distribution.

        References:
            Conditional validity of inductive conformal predictors (Vovk, 2012), proposition 2.
        """
        low, high = self._count.interval(_LEVEL)
        return float(low) / self.tested, float(high) / self.tested

    @property
    def expected_outside(self) -> float:
        """Probability that a method of which all is right leaves the binomial interval."""
        low, high = (round(end * self.tested) for end in self.binomial)
        return float(1 - self._count.cdf(high) + self._count.cdf(low - 1))

    @property
    def _count(self) -> betabinom:
        places = self.calibrated + 1
        allowed = _allowed(self.rate, places)
        return betabinom(self.tested, allowed, places - allowed)


def realised_rates(
    methods: Sequence[AnomalyMethod],
    images: SourceStatistics,
    rates: Sequence[float],
    *,
    seed: int = 0,
    test_share: float = 1 / 3,
) -> Iterator[Realised]:
    """Test on a random share of in-distribution images, fit on one half of the others, calibrate on the rest.

    Args:
        methods: each alone and, if there are several, all together.
        images: their statistics.
        rates: false-positive rates to ask for.
        seed: of the parts.
        test_share: of the images, between 0 and 1.

    Raises:
        ValueError: a rate cannot be resolved with so few images, or fitting is refused.
    """
    rows = len(next(iter(images.values())))
    order = np.random.default_rng(seed).permutation(rows)
    tested = round(rows * test_share)
    test, others = np.sort(order[:tested]), np.sort(order[tested:])
    calibrated = calibrate(methods, {s: part.select(others) for s, part in images.items()}, seed=seed)
    found = calibrated.detect({s: part.select(test) for s, part in images.items()})
    p_values = {**found.p_values, **({TOGETHER: found.combined} if len(methods) > 1 else {})}
    for rate in rates:
        calibrated.require_rate(rate)
        for name, p in p_values.items():
            yield Realised(name, rate, int(np.sum(p <= rate)), len(test), calibrated.groups)


def _allowed(rate: float, places: int) -> int:
    """Return the largest k with k / places <= rate."""
    allowed = int(rate * places) + 1
    while allowed / places > rate:
        allowed -= 1
    return allowed
