"""Multi-scale normalizing flows and their data-dependent initialisation."""

from invglow.flows.class_conditional import ClassConditionalFlow
from invglow.flows.class_prior import ClassNormals
from invglow.flows.conditional import ConditionalFlow, ConditionalNormal
from invglow.flows.config import GlowConfig
from invglow.flows.glow import build_glow
from invglow.flows.initialize import initialize
from invglow.flows.multiscale import FlowScale, MultiScaleFlow, ScaleOutput
from invglow.flows.patches import PatchNormal
from invglow.flows.prior import AffinePrior, ElementwiseNormal, LatentPrior

__all__ = [
    "AffinePrior",
    "ClassConditionalFlow",
    "ClassNormals",
    "ConditionalFlow",
    "ConditionalNormal",
    "ElementwiseNormal",
    "FlowScale",
    "GlowConfig",
    "LatentPrior",
    "MultiScaleFlow",
    "PatchNormal",
    "ScaleOutput",
    "build_glow",
    "initialize",
]
