"""Glow: its settings as plain data, and the flow built from them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from invglow.flows.class_conditional import ClassConditionalFlow
from invglow.flows.class_prior import ClassNormals
from invglow.flows.multiscale import FlowScale, MultiScaleFlow
from invglow.flows.prior import ElementwiseNormal, LatentPrior
from invglow.transforms import (
    ActNorm,
    AdditiveCoupling,
    AffineCoupling,
    ChannelAffine,
    ChannelPermutation,
    Coupling,
    CouplingNetwork,
    FixedRotation,
    FlowStep,
    LUConv1x1,
    PlainConv1x1,
    identity_permutation,
    random_permutation,
)

__all__ = ["COUPLINGS", "MIXINGS", "GlowConfig", "build_glow"]

MIXINGS: dict[str, Callable[[int], ChannelAffine]] = {
    "lu": LUConv1x1,
    "plain": PlainConv1x1,
    "rotation": FixedRotation,
    "shuffle": lambda channels: ChannelPermutation(random_permutation(channels)),
    "identity": lambda channels: ChannelPermutation(identity_permutation(channels)),
}
COUPLINGS: dict[str, type[Coupling]] = {"affine": AffineCoupling, "additive": AdditiveCoupling}


@dataclass(frozen=True)
class GlowConfig:
    """Settings of a Glow; the defaults are the paper's (Schirrmeister et al., 2020, appendix).

    Args:
        image_shape: (channels, height, width); the sides must be divisible by 2 ** scales.
        scales: number of scales; the last of three works at 4x4 for 32x32 images.
        steps_per_scale: flow steps in each scale.
        hidden_channels: width of the coupling networks.
        mixing: how a step mixes channels, a key of `MIXINGS`.
        coupling: a key of `COUPLINGS`.
        classes: classes with densities of their own (`ClassConditionalFlow`); 0 for a model without classes.

    Raises:
        ValueError: if a size is not positive, a name unknown or the image not divisible.
    """

    image_shape: tuple[int, int, int] = (3, 32, 32)
    scales: int = 3
    steps_per_scale: int = 32
    hidden_channels: int = 512
    mixing: str = "lu"
    coupling: str = "affine"
    classes: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "image_shape", tuple(self.image_shape))
        self._check_sizes()
        self._check_divisible()
        _check_name("mixing", self.mixing, MIXINGS)
        _check_name("coupling", self.coupling, COUPLINGS)

    def _check_sizes(self) -> None:
        for name in ("scales", "steps_per_scale", "hidden_channels"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}.")
        if self.classes < 0 or self.classes == 1:
            raise ValueError(f"classes must be 0 (without classes) or at least 2, got {self.classes}.")
        shape: tuple[int, ...] = self.image_shape
        if len(shape) != 3 or min(shape) < 1:
            raise ValueError(f"image_shape must be (channels, height, width), each at least 1, got {shape}.")

    def _check_divisible(self) -> None:
        factor = 2**self.scales
        _, height, width = self.image_shape
        if height % factor or width % factor:
            raise ValueError(
                f"With {self.scales} scales the image sides must be divisible by {factor}, got "
                f"{height}x{width}: choose fewer scales or another image size."
            )

    def to_json(self) -> dict[str, Any]:
        """Return the settings as plain data that `GlowConfig(**data)` reads back.

        Settings that came later are left out where they have no effect, so that configurations of runs that
        were written before compare equal.
        """
        later = {"classes": 0}
        return {name: value for name, value in asdict(self).items() if later.get(name) != value}


def build_glow(config: GlowConfig) -> MultiScaleFlow:
    """Build a Glow with fresh random weights from torch's global generator.

    Its ActNorms and priors are the identity until `invglow.flows.initialize` sets them from data.
    """
    channels, height, width = config.image_shape
    scales = []
    for i in range(config.scales):
        channels, height, width = 4 * channels, height // 2, width // 2
        steps = [_build_step(config, channels) for _ in range(config.steps_per_scale)]
        is_last = i == config.scales - 1
        latent_channels = channels if is_last else channels // 2
        scales.append(FlowScale(steps, _build_prior(config, (latent_channels, height, width))))
        channels //= 2
    flow = ClassConditionalFlow if config.classes else MultiScaleFlow
    return flow(scales, config.image_shape)


def _build_prior(config: GlowConfig, shape: tuple[int, int, int]) -> LatentPrior:
    return ClassNormals(config.classes, shape) if config.classes else ElementwiseNormal(shape)


def _build_step(config: GlowConfig, channels: int) -> FlowStep:
    half = channels // 2
    coupling = COUPLINGS[config.coupling]
    network = CouplingNetwork(half, config.hidden_channels, half * coupling.outputs_per_channel)
    return FlowStep(ActNorm(channels), MIXINGS[config.mixing](channels), coupling(network))


def _check_name(setting: str, name: str, known: dict[str, Any]) -> None:
    if name not in known:
        raise ValueError(f"Unknown {setting} {name!r}; known are {', '.join(known)}.")
