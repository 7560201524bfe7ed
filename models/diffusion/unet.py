"""The U-Net that predicts noise, from the `diffusers` library."""

from __future__ import annotations

from torch import Tensor, nn

from models.diffusion.config import DiffusionConfig
from models.diffusion.library import from_diffusers

__all__ = ["build_unet"]


class _UNet(nn.Module):
    """Timesteps 1 ... T of the bound are 0 ... T - 1 for the library."""

    def __init__(self, unet: nn.Module) -> None:
        super().__init__()
        self.unet = unet

    def forward(self, noisy: Tensor, t: Tensor) -> Tensor:
        (predicted,) = self.unet(noisy, t - 1, return_dict=False)
        return predicted  # type: ignore[no-any-return]


def build_unet(config: DiffusionConfig) -> nn.Module:
    """Build a U-Net with fresh random weights from torch's global generator.

    Raises:
        MissingPackageError: `diffusers` is not installed.
    """
    channels, height, width = config.image_shape
    plain = len(config.channels) - config.attention
    unet = from_diffusers("UNet2DModel")(
        sample_size=(height, width),
        in_channels=channels,
        out_channels=channels,
        layers_per_block=config.layers_per_block,
        block_out_channels=config.channels,
        down_block_types=("DownBlock2D",) * plain + ("AttnDownBlock2D",) * config.attention,
        up_block_types=("AttnUpBlock2D",) * config.attention + ("UpBlock2D",) * plain,
        norm_num_groups=8,
    )
    return _UNet(unet)
