"""What is to be computed: a model, images, an extractor, and the provenance that follows from them."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch

from anomaly_methods.extractors.base import Extractor
from anomaly_methods.extractors.indexed import indexed, noise_settings
from anomaly_methods.meta import StatisticsMeta
from invglow import __version__
from invglow.data.image_set import ImageSet
from invglow.data.preprocessing import check_image_shape
from models.base import GenerativeModel

__all__ = ["Extraction", "meta_of_images", "whole_groups"]


@dataclass(frozen=True, eq=False)
class Extraction:
    """What is to be computed. How it is computed (batch size, device) changes nothing but rounding.

    Args:
        model: put into evaluation mode while it runs.
        image_set: for the first n images only, give `image_set.limited(n)`.
        extractor: what to compute of each group.
        model_name: for people, such as the run's folder.
        checkpoint_sha256: of the model's weights.
        noise_draws: 0 to take images at the centres of their bins; n to take every value as the mean over n
            draws of uniform noise, and a standard error as that of this mean. Of log_prob it is the mean of
            the logarithms, not the logarithm of the mean, and so a lower bound on the log-probability of the
            8-bit image (Theis et al., 2016).
        seed: of the noise, which for each image depends on the seed and its place in the set alone. That of a
            stochastic model depends on that place and the model's own seed.
        evaluation: settings of the model that are not those of its run, in JSON types; they become part of
            the identity of the result.

    Raises:
        ValueError: the images do not fit the model, are too few for one group, or a number is negative.
    """

    model: GenerativeModel
    image_set: ImageSet
    extractor: Extractor
    model_name: str
    checkpoint_sha256: str
    noise_draws: int = 0
    seed: int = 0
    evaluation: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_image_shape(self.image_set.image_shape, self.model.image_shape, name=self.image_set.name)
        if self.noise_draws < 0 or self.seed < 0:
            raise ValueError(f"Noise needs draws >= 0 and seed >= 0, got {self.noise_draws} and {self.seed}.")
        whole_groups(self.image_set, self.extractor.group_size)

    @property
    def rows(self) -> int:
        """Whole groups in the set; images after the last of them are dropped, and counted in the meta."""
        return whole_groups(self.image_set, self.extractor.group_size)

    @cached_property
    def asked(self) -> GenerativeModel:
        """What the extractor is given: the model, or the same for images that carry their index."""
        return indexed(self.model)

    @cached_property
    def meta(self) -> StatisticsMeta:
        """Provenance of the result."""
        noise = "uniform in [0, 1)" if self.noise_draws else "1/2"
        return meta_of_images(
            self.image_set,
            kind=self.extractor.name,
            model=self.model_name,
            checkpoint_sha256=self.checkpoint_sha256,
            bound=self.model.bound,
            preprocessing=f"(x + u) / 256 - 1/2, u = {noise}",
            group_size=self.extractor.group_size,
            unit=self.extractor.unit,
            seed=self.seed if self.noise_draws else 0,
            noise_draws=self.noise_draws,
            extractor_version=self.extractor.version,
            evaluation=self.model.evaluation,
            settings=self._settings,
            details=self.extractor.details(self.model),
        )

    @property
    def _settings(self) -> Mapping[str, Any]:
        """Statistics of a model as its run has it say nothing of it, as files from earlier versions."""
        evaluation = {"evaluation": dict(self.evaluation)} if self.evaluation else {}
        return {**self.extractor.settings, **noise_settings(self.model), **evaluation}


def meta_of_images(images: ImageSet, *, group_size: int = 1, **fields: Any) -> StatisticsMeta:
    """Return the meta of statistics of a set, computed here and now; `fields` say the rest."""
    return StatisticsMeta(
        dataset=images.name,
        dataset_sha256=images.sha256(),
        split=images.split,
        image_shape=images.image_shape,
        group_size=group_size,
        dropped=len(images) % group_size,
        versions={
            "invglow": __version__,
            "python": platform.python_version(),
            "numpy": np.__version__,
            "torch": str(torch.__version__),
        },
        **fields,
    )


def whole_groups(images: ImageSet, group_size: int) -> int:
    """Return how many whole groups a set has.

    Raises:
        ValueError: it has none.
    """
    if group_size < 1:
        raise ValueError(f"The group size must be at least 1, got {group_size}.")
    if len(images) < group_size:
        raise ValueError(
            f"{images.name} has {len(images)} images, too few for one group of {group_size}: "
            "choose a smaller group size or a larger set."
        )
    return len(images) // group_size
