"""Multi-scale normalizing flows and their data-dependent initialisation."""

from invglow.flows.class_conditional import ClassConditionalFlow
from invglow.flows.class_prior import ClassNormals
from invglow.flows.glow import GlowConfig, build_glow
from invglow.flows.initialize import initialize
from invglow.flows.multiscale import FlowScale, MultiScaleFlow, ScaleOutput
from invglow.flows.prior import ElementwiseNormal, LatentPrior

__all__ = [
    "ClassConditionalFlow",
    "ClassNormals",
    "ElementwiseNormal",
    "FlowScale",
    "GlowConfig",
    "LatentPrior",
    "MultiScaleFlow",
    "ScaleOutput",
    "build_glow",
    "initialize",
]
