"""Multi-scale normalizing flows and their data-dependent initialisation."""

from invglow.flows.glow import GlowConfig, build_glow
from invglow.flows.initialize import initialize
from invglow.flows.multiscale import FlowScale, MultiScaleFlow, ScaleOutput
from invglow.flows.prior import ElementwiseNormal

__all__ = [
    "ElementwiseNormal",
    "FlowScale",
    "GlowConfig",
    "MultiScaleFlow",
    "ScaleOutput",
    "build_glow",
    "initialize",
]
