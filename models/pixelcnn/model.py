"""PixelCNN behind the interface of all generative models."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from tqdm import tqdm

from invglow.flows.drawing import device_of
from models.base import Bound, GenerativeModel
from models.logistic import BINS, bin_centre, bin_of
from models.pixelcnn.config import PixelCNNConfig
from models.pixelcnn.mixture import mixture_log_mass, mixture_outputs, mixture_sample
from models.pixelcnn.plain import PlainNetwork
from models.pixelcnn.plusplus import PlusPlusNetwork

__all__ = ["PixelCNN"]

_HEIGHT_FACTOR = 4  # PixelCNN++ halves an image twice
_SHOW_PROGRESS_ABOVE = 1024  # pixels


class PixelCNN(GenerativeModel):
    """Exact likelihood of the 8-bit image as a product over pixels in raster order.

    As a density of the dequantised image it is constant within each bin, so `log_prob` is the log-probability
    of the 8-bit image plus D log 256.

    Args:
        config: the settings.

    References:
        Pixel recurrent neural networks (van den Oord et al., 2016), equation 1;
        PixelCNN++ (Salimans et al., 2017).
    """

    bound: Bound = "exact"
    is_static = True

    def __init__(self, config: PixelCNNConfig) -> None:
        super().__init__()
        self.config = config
        self.image_shape = config.image_shape
        self.network = _network(config)

    def log_prob(self, x: Tensor) -> Tensor:
        bins = bin_of(x)
        pixels = self.pixel_log_probs(bins, x.dtype)
        return pixels.sum(dim=(1, 2)) + math.prod(self.image_shape) * math.log(BINS)

    def pixel_log_probs(self, bins: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Return the log-probability of each pixel given those before it, (B, H, W), of bins (B, C, H, W)."""
        parameters: Tensor = self.network(2 * bin_centre(bins, dtype))
        if self.config.architecture == "plusplus":
            return mixture_log_mass(bins, parameters)
        return parameters.log_softmax(dim=1).gather(1, bins)[:, 0]

    @property
    def samples_slowly(self) -> bool:
        return True

    @torch.no_grad()
    def sample(self, n: int, generator: torch.Generator | None = None, temperature: float = 1.0) -> Tensor:
        weight = next(self.parameters())
        channels, height, width = self.image_shape
        bins = torch.zeros(n, channels, height, width, dtype=torch.long, device=weight.device)
        progress = tqdm(
            total=height * width,
            desc="sampling",
            unit="pixel",
            disable=height * width < _SHOW_PROGRESS_ABOVE or None,
        )
        with progress:
            for row in range(height):
                rows = -(-(row + 1) // _HEIGHT_FACTOR) * _HEIGHT_FACTOR
                for column in range(width):
                    known = 2 * bin_centre(bins[:, :, :rows], weight.dtype)
                    parameters = self.network(known)[:, :, row, column]
                    bins[:, :, row, column] = self._drawn(parameters, generator, temperature)
                    progress.update()
        return bin_centre(bins, weight.dtype)

    def _drawn(self, parameters: Tensor, generator: torch.Generator | None, temperature: float) -> Tensor:
        """Draw the bins (n, C) of one pixel; at temperature 0 a plain PixelCNN takes the likeliest level."""
        if self.config.architecture == "plusplus":
            return mixture_sample(parameters, self.image_shape[0], generator, temperature)
        probabilities = (parameters / max(temperature, 1e-6)).softmax(dim=1)
        drawn = probabilities.to(device_of(generator)).multinomial(1, generator=generator)
        return drawn.to(parameters.device)


def _network(config: PixelCNNConfig) -> nn.Module:
    if config.architecture == "plain":
        return PlainNetwork(config.hidden_channels, config.blocks)
    channels = config.image_shape[0]
    outputs = mixture_outputs(channels, config.mixtures)
    return PlusPlusNetwork(channels, config.hidden_channels, config.blocks, outputs)
