"""What `main.py detect` does between reading pictures and writing what it found."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from commands.choosing import known_methods, needed_sources
from commands.computing import Computation, RunModel
from commands.pieces import Pieces

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from anomaly_methods.calibration import CalibratedMethods, Detection
    from anomaly_methods.methods.base import AnomalyMethod
    from anomaly_methods.methods.sources import SourceStatistics
    from invglow.data.image_set import ImageSet

__all__ = ["Flagging", "Job", "require_models"]


@dataclass(frozen=True)
class Flagging:
    """Which pictures to flag.

    Args:
        false_positives: share of normal pictures that may be flagged.
        false_discoveries: share of flagged pictures that may be normal; if given, it is what counts.

    Raises:
        ValueError: the rate is not between 0 and 1.
    """

    false_positives: float
    false_discoveries: float | None = None

    def __post_init__(self) -> None:
        if not 0 < self.rate < 1:
            option = "--false-positive-rate" if self.false_discoveries is None else "--false-discovery-rate"
            raise ValueError(f"{option} must be above 0 and below 1, got {self.rate:g}.")

    @property
    def rate(self) -> float:
        """The rate that counts; no p-value above it is flagged, of whichever kind it is."""
        return self.false_positives if self.false_discoveries is None else self.false_discoveries

    def flags(self, calibrated: CalibratedMethods, found: Detection) -> NDArray[np.bool_]:
        """Return which of N pictures are flagged, (N,)."""
        from anomaly_methods.detection import discoveries

        if self.false_discoveries is None:
            return calibrated.flagged(found, self.rate)
        return discoveries(found.combined, self.rate)

    def least_together(self, calibrated: CalibratedMethods, count: int) -> int:
        """Return how many of `count` pictures must have the lowest p-value for any of them to be flagged."""
        if self.false_discoveries is None:
            return 1
        return math.ceil(count / (self.rate * (calibrated.groups + 1)))


@dataclass(frozen=True)
class Job:
    """Models, methods and how statistics are computed.

    Args:
        models: by role, "specific" among them.
        methods: those that were named; none for the default.
        calibration: how statistics of the images to calibrate on are computed.
        judging: and those of the pictures to judge.
        seed: of the halves.
    """

    models: Mapping[str, RunModel]
    methods: Sequence[AnomalyMethod]
    calibration: Computation
    judging: Computation
    seed: int = 0

    @property
    def specific(self) -> RunModel:
        """The model of the images that belong."""
        return self.models["specific"]

    def calibrated(self, reference: ImageSet) -> CalibratedMethods:
        """Return the methods, fitted on one half of held-out images and calibrated on the other."""
        from anomaly_methods.calibration import calibrate

        sources = needed_sources(self.methods, self.models)
        statistics = Pieces(self.calibration, self.models, sources).whole(reference)
        methods = self.methods or _default_methods(statistics)
        return calibrate(methods, statistics, seed=self.seed, nonfinite="anomalous")

    def pieces(self, calibrated: CalibratedMethods, images: ImageSet) -> Iterator[SourceStatistics]:
        """Yield the statistics that the methods need of the pictures, some at a time."""
        methods = known_methods(list(calibrated.scorers))
        return Pieces(self.judging, self.models, needed_sources(methods, self.models)).of(images)


def require_models(methods: Sequence[AnomalyMethod], models: Mapping[str, RunModel]) -> None:
    """Refuse methods that need a model which is not there.

    Raises:
        ValueError: naming the first of them.
    """
    for method in methods:
        roles = {source.role for source in method.sources.values()} - set(models)
        if "general" in roles:
            raise ValueError(
                f"Method {method.name} needs a general model, and none is known for "
                f"{models['specific'].folder}: name one with --general, or other methods."
            )
        if roles:
            raise ValueError(
                f"Method {method.name} needs an {roles.pop()} of runs, which detect does not take: choose "
                "other methods."
            )


def _default_methods(statistics: SourceStatistics) -> list[AnomalyMethod]:
    """Return both ratios and typicality, or those of them that the models allow.

    They are what `combined_without_gradients` combines, chosen before any anomaly was seen.
    """
    from anomaly_methods.methods.combined import CombinedWithoutGradients

    members = CombinedWithoutGradients().members
    return [method for method in members if method.unmet(statistics) is None]
