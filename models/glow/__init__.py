"""Glow: a multi-scale normalizing flow with exact likelihoods."""

from models.glow.adapter import ClassConditionalGlow, Glow

__all__ = ["ClassConditionalGlow", "Glow"]
