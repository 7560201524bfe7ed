"""Settings of a PixelCNN as plain data."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from invglow.flows.checks import require_known, require_positive

__all__ = ["ARCHITECTURES", "PixelCNNConfig"]

ARCHITECTURES = ("plusplus", "plain")


@dataclass(frozen=True)
class PixelCNNConfig:
    """Settings of a PixelCNN.

    Args:
        image_shape: (channels, height, width); with "plusplus" the sides must be divisible by 4, with
            "plain" there is one channel.
        architecture: "plusplus" (PixelCNN++: a mixture of discretised logistics for each pixel, the
            channels of a colour pixel one after the other) or "plain" (masked convolutions and one
            probability for each of 256 grey levels).
        hidden_channels: of every layer.
        blocks: residual blocks: of each of the three resolutions on the way down and on the way up
            ("plusplus"), or in all ("plain").
        mixtures: logistics in the mixture ("plusplus").

    Raises:
        ValueError: if a size is not positive, the architecture unknown, or the image does not fit it.
    """

    image_shape: tuple[int, int, int] = (3, 32, 32)
    architecture: str = "plusplus"
    hidden_channels: int = 32
    blocks: int = 1
    mixtures: int = 5

    def __post_init__(self) -> None:
        object.__setattr__(self, "image_shape", tuple(self.image_shape))
        require_positive(self, "hidden_channels", "blocks", "mixtures")
        require_known("architecture", self.architecture, ARCHITECTURES)
        self._check_image()

    def _check_image(self) -> None:
        channels, height, width = self.image_shape
        if self.architecture == "plain" and channels != 1:
            raise ValueError(
                f"The plain PixelCNN takes grey images, got {channels} channels: convert them (--grey) or "
                "choose the architecture 'plusplus'."
            )
        if self.architecture == "plusplus" and (channels not in (1, 3) or height % 4 or width % 4):
            raise ValueError(
                f"PixelCNN++ takes images of 1 or 3 channels with sides divisible by 4, got {channels} "
                f"channels and {height}x{width}."
            )

    def to_json(self) -> dict[str, Any]:
        """Return the settings as plain data that `PixelCNNConfig(**data)` reads back."""
        return asdict(self)
