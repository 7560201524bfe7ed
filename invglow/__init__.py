"""Normalizing flows, image data and training for finding images that do not belong."""

__version__ = "0.1.0"
