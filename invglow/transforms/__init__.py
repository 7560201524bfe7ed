"""Invertible transforms with exact log-determinants: one idea per file."""

from invglow.transforms.actnorm import ActNorm
from invglow.transforms.base import ChannelAffine, Transform
from invglow.transforms.conv1x1 import FixedRotation, LUConv1x1, PlainConv1x1
from invglow.transforms.coupling import AdditiveCoupling, AffineCoupling, Coupling
from invglow.transforms.dense import DenseNetwork, DenseRotation, DenseStep, mixed_rotation
from invglow.transforms.network import Conditioner, CouplingNetwork
from invglow.transforms.permute import ChannelPermutation, identity_permutation, random_permutation
from invglow.transforms.squeeze import Squeeze
from invglow.transforms.step import FlowStep

__all__ = [
    "ActNorm",
    "AdditiveCoupling",
    "AffineCoupling",
    "ChannelAffine",
    "ChannelPermutation",
    "Conditioner",
    "Coupling",
    "CouplingNetwork",
    "DenseNetwork",
    "DenseRotation",
    "DenseStep",
    "FixedRotation",
    "FlowStep",
    "LUConv1x1",
    "PlainConv1x1",
    "Squeeze",
    "Transform",
    "identity_permutation",
    "mixed_rotation",
    "random_permutation",
]
