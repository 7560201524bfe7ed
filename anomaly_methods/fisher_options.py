"""How a Fisher information is estimated and used, and what that is called in file names."""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["DEFAULT_DAMPING", "DEFAULT_IMAGES", "FISHER_KINDS", "FisherOptions"]

DEFAULT_IMAGES = 1000
"""Images that F is estimated from."""

DEFAULT_DAMPING = 0.01
"""Of the mean of F over a tensor: no direction counts for more than a hundred times an average one. Of powers
of ten it is the least for which, with 1,000 images, held-out images like them score no more than the number
of parameters, as they must on average if F is right; less damping trusts eigenvalues that are only noise."""

FISHER_KINDS: Mapping[str, str] = {"fisher_diagonal": "diagonal", "fisher_kronecker": "kronecker"}
"""{kind of statistics: structure of the Fisher information behind it}."""


@dataclass(frozen=True)
class FisherOptions:
    """How to estimate and use a Fisher information.

    Args:
        source: "data", images that the run was trained on, or "samples", images that it draws.
        images: how many, or all of them if the training set has fewer.
        damping: fraction of the mean of F.
        seed: names which images.

    Raises:
        ValueError: a number is out of range.
    """

    source: str = "data"
    images: int = DEFAULT_IMAGES
    damping: float = DEFAULT_DAMPING
    seed: int = 0

    def __post_init__(self) -> None:
        if self.images < 1:
            raise ValueError(f"--fisher-images must be at least 1, got {self.images}.")
        if not 0 < self.damping < math.inf:
            raise ValueError(
                f"--fisher-damping must be a positive fraction of the mean of F, got {self.damping:g}."
            )

    @classmethod
    def of(cls, arguments: argparse.Namespace) -> FisherOptions:
        """Return what the arguments of `add_fisher`, and --seed, ask for."""
        return cls(arguments.fisher_from, arguments.fisher_images, arguments.fisher_damping, arguments.seed)

    @property
    def estimate(self) -> str:
        """Names the estimate in file names."""
        return f"{self.source}{self.images}-seed{self.seed}"

    @property
    def named(self) -> str:
        """Names the options that are not the default ones; empty where all are."""
        options = [
            f"fisher-{self.source}" if self.source != "data" else "",
            f"fisher-images{self.images}" if self.images != DEFAULT_IMAGES else "",
            f"fisher-damping{self.damping:g}" if self.damping != DEFAULT_DAMPING else "",
        ]
        return "-".join(filter(None, options))

    @property
    def label(self) -> str:
        """Names what statistics depend on in file names."""
        damping = "" if self.damping == DEFAULT_DAMPING else f"-damping{self.damping:g}"
        return f"{self.estimate}{damping}"
