"""Small models of many kinds, each with a use of parameters that the gradient rules must get right."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.base import GenerativeModel

__all__ = ["MODELS", "NetModel", "images", "randomized"]

SHAPE = (2, 6, 6)


class NetModel(GenerativeModel):
    """A log-likelihood made of any network: any function of each image's output."""

    bound = "surrogate"

    def __init__(self, net: nn.Module, shape: tuple[int, int, int] = SHAPE) -> None:
        super().__init__()
        self.net = net
        self.image_shape = shape

    def log_prob(self, x: Tensor) -> Tensor:
        output: Tensor = self.net(x).reshape(len(x), -1)
        return -0.5 * (output.square().mean(dim=1) + output.sin().sum(dim=1))

    def sample(self, n: int, generator: torch.Generator | None = None, temperature: float = 1.0) -> Tensor:
        return temperature * torch.randn(n, *self.image_shape, generator=generator)


class UNet(nn.Module):
    """Strided and transposed convolutions, skips, GroupNorm, an embedding of the level, attention."""

    def __init__(self) -> None:
        super().__init__()
        self.level = nn.Embedding(4, 4)
        self.down = nn.Conv2d(2, 4, 3, stride=2, padding=1)
        self.norm = nn.GroupNorm(2, 4)
        self.middle = nn.Conv2d(4, 4, 3, padding="same", dilation=2)
        self.query = nn.Linear(4, 8)
        self.tokens = nn.LayerNorm(4)
        self.up = nn.ConvTranspose2d(4, 2, 3, stride=2, padding=1, output_padding=1)
        self.depthwise = nn.Conv2d(4, 8, 3, padding=1, groups=4)
        self.out = nn.Conv2d(8, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        level = (x.flatten(1).mean(dim=1) > 0).long() + 1
        h = self.norm(self.down(x)) + self.level(level)[:, :, None, None]
        h = F.silu(self.middle(h))
        tokens = self.tokens(h.flatten(2).transpose(1, 2))
        query, key = self.query(tokens).chunk(2, dim=2)
        h = h + (torch.softmax(query @ key.transpose(1, 2), dim=2) @ tokens).transpose(1, 2).view_as(h)
        output: Tensor = self.out(F.relu_(self.depthwise(torch.cat((self.up(h), x), dim=1))))
        return output


class Autoencoder(nn.Module):
    """Encoder, learned scales, a decoder that starts from a learned constant and transposed convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Flatten(), nn.Linear(72, 6), nn.PReLU(6), nn.Linear(6, 4))
        self.log_scale = nn.Parameter(torch.zeros(4))
        self.start = nn.Parameter(torch.zeros(1, 4, 3, 3))
        self.decoder = nn.ConvTranspose2d(4, 2, 2, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        latent = self.encoder(x) * self.log_scale.exp()
        start = self.start.expand(len(x), -1, -1, -1)
        h = start + latent[:, :, None, None]
        output: Tensor = x - self.decoder(F.leaky_relu_(h.contiguous(), 0.1))
        return output


class MaskedConv(nn.Conv2d):
    """A convolution that sees only what comes before, as in a PixelCNN."""

    mask: Tensor

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 3, padding=1)
        mask = torch.ones(3, 3)
        mask[1, 1:] = 0
        mask[2] = 0
        self.register_buffer("mask", mask)

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight * self.mask, self.bias, padding=1)


class PixelCNN(nn.Module):
    """Masked convolutions on embedded grey levels, which no gradient reaches."""

    def __init__(self) -> None:
        super().__init__()
        self.levels = nn.Embedding(5, 3, padding_idx=0)
        self.first = MaskedConv(6, 8)
        self.last = MaskedConv(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        level = ((x + 0.5) * 4.99).long()
        embedded = self.levels(level).permute(0, 1, 4, 2, 3).flatten(1, 2)
        output: Tensor = x - self.last(F.elu(self.first(embedded)))
        return output


class Shared(nn.Module):
    """The same convolution twice, a weight used in two ways, a bias tied to another layer."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 2, 3, padding=1)
        self.point = nn.Parameter(torch.zeros(2, 2))
        self.gain = nn.Parameter(torch.zeros(2, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv(torch.tanh(self.conv(x))) * self.gain
        h = F.conv2d(h, self.point[:, :, None, None], self.conv.bias)
        return (h.permute(0, 2, 3, 1) @ self.point) * self.gain.flatten()


class ScaledWeights(nn.Module):
    """Weights times a factor per output that is a function of other parameters, or of the weight itself."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 5, 3, padding=1, bias=False)
        self.gain = nn.Parameter(torch.zeros(5))
        self.normed = nn.utils.parametrizations.weight_norm(nn.Conv2d(5, 1, 3, padding=1))
        self.self_scaled = nn.Parameter(torch.zeros(3, 36))

    def forward(self, x: Tensor) -> Tensor:
        gain = (1 + self.gain.square()).view(-1, 1, 1, 1)
        h = F.relu_(F.conv2d(x, self.conv.weight * gain, self.gain, padding=1))
        own = self.self_scaled / (1 + self.self_scaled.square().sum(dim=1, keepdim=True))
        return F.linear(self.normed(h).flatten(1), own * (1 + own.square().sum(dim=1, keepdim=True)))


class Fallbacks(nn.Module):
    """Uses that no rule covers, beside one that a rule does."""

    def __init__(self) -> None:
        super().__init__()
        self.left = nn.Parameter(torch.zeros(6, 6))
        self.einsum = nn.Parameter(torch.zeros(2, 3))
        self.conv = nn.Conv2d(3, 2, 3)

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.conv(torch.einsum("bchw,cd->bdhw", self.left @ x, self.einsum))
        return output


class Normalized(nn.Module):
    """All normalizations, batch normalization by its running statistics."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(2, 4, 3),
            nn.BatchNorm2d(4),
            nn.Tanh(),
            nn.InstanceNorm2d(4, affine=True),
            nn.LayerNorm([4, 4, 4]),
            nn.RMSNorm(4),
        )

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.layers(x)
        return output


class ThreeDimensions(nn.Module):
    """Convolutions along one and three dimensions, linear layers on tokens of all images together."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Conv1d(2, 3, 5, stride=2, dilation=2)
        self.three = nn.Conv3d(1, 2, (2, 3, 3), padding=(0, 1, 1))
        self.tokens = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        one, three = self.one(x.flatten(2)), self.three(x[:, None])
        tokens = self.tokens(x.reshape(-1, 6)).reshape(len(x), -1)
        return torch.cat((one.flatten(1), three.flatten(1), tokens), dim=1)


MODELS: dict[str, Callable[[], nn.Module]] = {
    model.__name__: model
    for model in (UNet, Autoencoder, PixelCNN, Shared, ScaledWeights, Normalized, ThreeDimensions)
} | {"Fallbacks": Fallbacks}


def randomized(model: nn.Module, seed: int = 0) -> nn.Module:
    """Move every parameter and running statistic off its neutral start, where a mistake could hide."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
            parameter.add_(0.3 * noise.to(parameter.dtype))
    return model.eval()


def images(count: int, shape: tuple[int, int, int] = SHAPE, seed: int = 0) -> Tensor:
    """Return noise in [-1/2, 1/2), (count, C, H, W), float64."""
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(count, *shape, generator=generator, dtype=torch.float64) - 0.5
