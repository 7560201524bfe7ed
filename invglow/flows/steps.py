"""What a flow step is put together from, by name."""

from __future__ import annotations

from collections.abc import Callable

from invglow.transforms import (
    ActNorm,
    AdditiveCoupling,
    AffineCoupling,
    ChannelAffine,
    ChannelPermutation,
    Coupling,
    CouplingNetwork,
    DenseNetwork,
    DenseRotation,
    DenseStep,
    FixedRotation,
    FlowStep,
    LUConv1x1,
    PlainConv1x1,
    identity_permutation,
    random_permutation,
)

__all__ = ["COUPLINGS", "DENSE_MIXINGS", "MIXINGS", "build_dense_step", "build_step"]

MIXINGS: dict[str, Callable[[int], ChannelAffine]] = {
    "lu": LUConv1x1,
    "plain": PlainConv1x1,
    "rotation": FixedRotation,
    "shuffle": lambda channels: ChannelPermutation(random_permutation(channels)),
    "identity": lambda channels: ChannelPermutation(identity_permutation(channels)),
}
DENSE_MIXINGS: dict[str, Callable[[int], ChannelAffine]] = {
    "rotation": DenseRotation,
    "shuffle": MIXINGS["shuffle"],
    "identity": MIXINGS["identity"],
}
COUPLINGS: dict[str, type[Coupling]] = {"affine": AffineCoupling, "additive": AdditiveCoupling}


def build_step(channels: int, hidden_channels: int, mixing: str, coupling: str) -> FlowStep:
    """Build a step of convolutions with fresh random weights."""
    kind, half = COUPLINGS[coupling], channels // 2
    network = CouplingNetwork(half, hidden_channels, half * kind.outputs_per_channel)
    return FlowStep(ActNorm(channels), MIXINGS[mixing](channels), kind(network))


def build_dense_step(features: int, hidden_features: int, mixing: str, coupling: str) -> DenseStep:
    """Build a fully connected step on feature vectors with fresh random weights."""
    kind, half = COUPLINGS[coupling], features // 2
    network = DenseNetwork(half, hidden_features, half * kind.outputs_per_channel)
    return DenseStep(ActNorm(features), DENSE_MIXINGS[mixing](features), kind(network))
