"""The settings of a Glow as plain data, and what they may be."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from invglow.flows.checks import require_known, require_positive
from invglow.flows.steps import COUPLINGS, DENSE_MIXINGS, MIXINGS

__all__ = ["ARCHITECTURES", "GlowConfig"]

ARCHITECTURES = ("convolutional", "local", "dense")
PRIORS = ("elementwise", "conditional")
HALVES = ("second", "first")


@dataclass(frozen=True)
class GlowConfig:
    """Settings of a Glow; the defaults are the paper's (Schirrmeister et al., 2020, appendix).

    Args:
        image_shape: (channels, height, width); the sides must be divisible by 2 ** scales.
        scales: number of scales; the last of three works at 4x4 for 32x32 images.
        steps_per_scale: flow steps in each scale; the paper's fully connected Glow has 8.
        hidden_channels: width of the coupling networks.
        mixing: how a step mixes channels, a key of `MIXINGS`; of `DENSE_MIXINGS` if fully connected.
        coupling: a key of `COUPLINGS`.
        classes: classes with densities of their own (`ClassConditionalFlow`); 0 for a model without classes.
        architecture: "convolutional"; "local": the same on patches that know nothing of each other, with one
            scale; "dense": fully connected.
        patch_size: side of the patches of the local architecture.
        prior: "elementwise": latents are independent; "conditional": all but the coarsest have a density
            given the features that go on, as in Glow's published code.
        keeps: which half of the channels goes on to the next scale, "second" or "first".

    Raises:
        ValueError: if a size is not positive, a name unknown, the image not divisible, or settings exclude
            each other.
    """

    image_shape: tuple[int, int, int] = (3, 32, 32)
    scales: int = 3
    steps_per_scale: int = 32
    hidden_channels: int = 512
    mixing: str = "lu"
    coupling: str = "affine"
    classes: int = 0
    architecture: str = "convolutional"
    patch_size: int = 8
    prior: str = "elementwise"
    keeps: str = "second"

    def __post_init__(self) -> None:
        object.__setattr__(self, "image_shape", tuple(self.image_shape))
        self._check_sizes()
        self._check_names()
        self._check_combinations()
        self._check_divisible()

    def _check_sizes(self) -> None:
        require_positive(self, "scales", "steps_per_scale", "hidden_channels")
        if self.classes < 0 or self.classes == 1:
            raise ValueError(f"classes must be 0 (without classes) or at least 2, got {self.classes}.")
        if self.patch_size < 2 or self.patch_size % 2:
            raise ValueError(f"patch_size must be even and at least 2, got {self.patch_size}.")
        shape: tuple[int, ...] = self.image_shape
        if len(shape) != 3 or min(shape) < 1:
            raise ValueError(f"image_shape must be (channels, height, width), each at least 1, got {shape}.")

    def _check_names(self) -> None:
        require_known("architecture", self.architecture, ARCHITECTURES)
        require_known("mixing", self.mixing, MIXINGS)
        require_known("coupling", self.coupling, COUPLINGS)
        require_known("prior", self.prior, PRIORS)
        require_known("half that goes on", self.keeps, HALVES)

    def _check_combinations(self) -> None:
        if self.architecture == "dense" and self.mixing not in DENSE_MIXINGS:
            raise ValueError(
                f"The dense architecture mixes by {', '.join(DENSE_MIXINGS)}, got {self.mixing!r}: for "
                "thousands of features the others would take millions of parameters a step."
            )
        if self.architecture == "local" and self.scales != 1:
            raise ValueError(f"The local architecture has one scale, got {self.scales}: set scales to 1.")
        if self.prior == "conditional" and (self.classes or self.architecture != "convolutional"):
            raise ValueError("Conditional priors are for the convolutional architecture without classes.")
        if self.classes and self.architecture == "local":
            raise ValueError("Classes are for the convolutional and dense architectures, got local.")

    def _check_divisible(self) -> None:
        _, height, width = self.image_shape
        if self.architecture == "local":
            factor, reason = self.patch_size, f"With patches of {self.patch_size}x{self.patch_size} pixels"
            mend = "choose another patch or image size"
        else:
            factor, reason = 2**self.scales, f"With {self.scales} scales"
            mend = "choose fewer scales or another image size"
        if height % factor or width % factor:
            raise ValueError(
                f"{reason} the image sides must be divisible by {factor}, got {height}x{width}: {mend}."
            )

    def to_json(self) -> dict[str, Any]:
        """Return the settings as plain data that `GlowConfig(**data)` reads back.

        Settings that came later are left out where they have no effect, so that configurations of runs that
        were written before compare equal.
        """
        later: dict[str, Any] = {
            "classes": 0,
            "architecture": "convolutional",
            "prior": "elementwise",
            "keeps": "second",
        }
        if self.architecture != "local":
            later["patch_size"] = self.patch_size
        return {name: value for name, value in asdict(self).items() if later.get(name) != value}
