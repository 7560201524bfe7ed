"""PixelCNN: exact likelihoods from one pixel after the other."""

from models.pixelcnn.model import PixelCNN

__all__ = ["PixelCNN"]
