"""Denoising diffusion: a variational bound, and the loss of one timestep as a surrogate."""

from models.diffusion.model import Diffusion

__all__ = ["Diffusion"]
