"""Variational autoencoder: a lower bound on the likelihood."""

from models.vae.model import VAE

__all__ = ["VAE"]
