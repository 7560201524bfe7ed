"""Glow: a multi-scale normalizing flow with exact likelihoods."""

from models.glow.adapter import Glow

__all__ = ["Glow"]
